from __future__ import annotations

import re
from pathlib import Path

from tests.figured import HOSTILE, written_figures
from tests.report.elements import Elements


def test_names_are_text_in_the_index_and_harmless_as_files(tmp_path):
    summary = written_figures(tmp_path, 5, failed="lsa: <b>no luck</b>")
    (figure,) = summary.figures
    assert figure["category"] == HOSTILE
    assert re.fullmatch(r"figure-5__[\w.-]+\.png", figure["png"])
    assert (tmp_path / figure["png"]).is_file()
    page = Elements((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert HOSTILE in page.text
    assert "By hand: <i>teile</i>." in page.text
    assert "lsa: <b>no luck</b>" in page.text
    assert not [values for tag, values in page.elements if tag in ("i", "script") or "onclick" in values]
    (picture,) = (values for tag, values in page.elements if tag == "img")
    assert picture["src"].startswith("data:image/webp")
    assert picture["alt"].startswith("Figure 5 of ")


def test_a_figure_without_its_methods_is_named_and_the_same_figures_give_the_same_files(tmp_path):
    def files(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}

    for name in ("first", "second"):
        summary = written_figures(tmp_path / name, 8, 5)
    assert [figure["number"] for figure in summary.figures] == [5]
    (line,) = summary.failed
    assert line.startswith(f"{HOSTILE}, figure 8: got 0 images for a latent map")
    assert files(tmp_path / "first") == files(tmp_path / "second")
