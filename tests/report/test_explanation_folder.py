from __future__ import annotations

import json
import re

import pytest
from PIL import Image

from tests import fabricate
from utad import UTAD
from utad.errors import DatasetError, InputError, OutputError
from utad.report.explanation_folder import explain_to_folder


def photos(folder, *names: str):
    for seed, name in enumerate(names):
        fabricate.save(folder / name, fabricate.defective(seed=seed))
    return folder


def written(folder) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".utad-record.jsonl")
    return sorted(path.relative_to(folder).as_posix() for path in files)


def test_one_image_gets_a_page_and_figures_and_no_index(detector: UTAD, tmp_path):
    image = fabricate.save(tmp_path / "in" / "teil.png", fabricate.defective())
    summary = explain_to_folder(detector, [image], tmp_path / "out")
    assert written(tmp_path / "out") == ["figures/teil.png", "figures/teil.svg", "pages/teil.html"]
    assert summary.opens == "pages/teil.html"
    (row,) = summary.images
    assert sum(row["shares"].values()) == pytest.approx(row["pred_score"], abs=1e-6)
    assert json.loads(json.dumps(summary.as_dict()))["n_images"] == 1
    with Image.open(tmp_path / "out" / "figures" / "teil.png") as figure:
        assert figure.width > 900
    assert (tmp_path / "out" / "figures" / "teil.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_several_images_get_an_index_the_highest_score_first_and_links_that_lead_somewhere(detector: UTAD, tmp_path):
    source = photos(tmp_path / "in", "a b#1.png", "näher/b.png", "index.png")
    summary = explain_to_folder(detector, [source], tmp_path / "out", save=("page",))
    assert summary.opens == "index.html"
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', index)
    assert len(links) == 3
    from urllib.parse import unquote

    for link in links:
        page = tmp_path / "out" / unquote(link)
        for other in re.findall(r'<a href="([^"]+)"', page.read_text(encoding="utf-8")):
            assert (page.parent / unquote(other)).is_file()
    scores = [float(score) for score in re.findall(r"<b>(-?[\d.]+)</b>", index)]
    assert scores == sorted(scores, reverse=True)


def test_the_same_images_give_the_same_files(detector: UTAD, tmp_path):
    source = photos(tmp_path / "in", "a.png", "b.png")
    for name in ("first", "second"):
        explain_to_folder(detector, [source], tmp_path / name)
    assert written(tmp_path / "first") == written(tmp_path / "second")
    for name in written(tmp_path / "first"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_an_earlier_run_is_replaced_and_what_is_not_ours_stays(detector: UTAD, tmp_path):
    first, second = photos(tmp_path / "in1", "a.png", "b.png"), photos(tmp_path / "in2", "c.png")
    explain_to_folder(detector, [first], tmp_path / "out", save=("page",))
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    explain_to_folder(detector, [second], tmp_path / "out", save=("page",))
    assert written(tmp_path / "out") == ["notes.txt", "pages/c.html"]
    page = tmp_path / "out" / "pages" / "c.html"
    page.write_text("edited", encoding="utf-8")
    with pytest.raises(OutputError, match="nothing is overwritten"):
        explain_to_folder(detector, [second], tmp_path / "out", save=("page",))
    assert page.read_text(encoding="utf-8") == "edited"


def test_an_output_folder_lies_apart_from_the_images(detector: UTAD, tmp_path):
    source = photos(tmp_path / "in", "a.png")
    with pytest.raises(OutputError, match="lies in"):
        explain_to_folder(detector, [source], source / "out")


def test_unreadable_images_are_reported_and_the_rest_goes_on(detector: UTAD, tmp_path):
    source = photos(tmp_path / "in", "good.png")
    (source / "bad.png").write_bytes(b"no image")
    summary = explain_to_folder(detector, [source], tmp_path / "out", save=("page",))
    assert (summary.n_images, len(summary.failed)) == (1, 1)
    assert "bad.png" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    (source / "good.png").unlink()
    with pytest.raises(DatasetError, match="none of the images"):
        explain_to_folder(detector, [source], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_can_be_saved_is_said(detector: UTAD, tmp_path):
    with pytest.raises(InputError, match="expected some of page, png, svg"):
        explain_to_folder(detector, [tmp_path], tmp_path / "out", save=("pdf",))
