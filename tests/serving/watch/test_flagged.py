from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.serving.watch.watched import image, once
from utad.errors import OutputError


@pytest.fixture
def folder(tmp_path) -> Path:
    image(tmp_path / "in" / "good.png")
    image(tmp_path / "in" / "sub" / "bad.png", bright=True)
    return tmp_path / "in"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("link", [False, True])
def test_the_anomalous_images_are_copied_or_linked(folder, tmp_path, link):
    flagged = tmp_path / "flagged"
    once(folder, tmp_path / "out", flagged=flagged, link=link)
    assert files(flagged) == ["sub/bad.png"]
    found = flagged / "sub" / "bad.png"
    assert found.is_symlink() == link
    assert found.read_bytes() == (folder / "sub" / "bad.png").read_bytes()
    # A process that was killed before it said so comes again to what it did.
    once(folder, tmp_path / "again", flagged=flagged, link=link)
    assert files(flagged) == ["sub/bad.png"]


def test_what_stands_there_is_never_overwritten(folder, tmp_path):
    mine = tmp_path / "flagged" / "sub" / "bad.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    for output in ("out", "again"):
        once(folder, tmp_path / output, flagged=tmp_path / "flagged")
    assert mine.read_bytes() == b"mine"
    others = [name for name in files(tmp_path / "flagged") if name != "sub/bad.png"]
    assert len(others) == 1
    assert others[0].startswith("bad-")
    assert (tmp_path / "flagged" / others[0]).read_bytes() == (folder / "sub" / "bad.png").read_bytes()


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "flagged").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "flagged" / "sub")
    with pytest.raises(OutputError, match="leads out of the folder"):
        once(folder, tmp_path / "out", flagged=tmp_path / "flagged")
    assert list((tmp_path / "elsewhere").iterdir()) == []
