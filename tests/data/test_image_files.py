from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import fabricate
from utad.data.image_files import inside, list_images, natural_key, relative_name, stem_below, subfolders
from utad.errors import DatasetError


def names(folder) -> list[str]:
    return [relative_name(path, folder) for path in list_images(folder)]


def test_natural_order_without_what_is_no_image(tmp_path):
    fabricate.photos(tmp_path)
    assert names(tmp_path) == ["1.png", "2.JPG", "10.jpeg", "grey 16.png", "näher/übung.bmp"]


def test_hidden_folders_are_left_out(tmp_path):
    fabricate.save(tmp_path / ".thumbnails" / "a.png", fabricate.picture())
    fabricate.save(tmp_path / "b.png", fabricate.picture())
    assert names(tmp_path) == ["b.png"]
    assert subfolders(tmp_path) == ()


def test_links_in_a_circle_end(tmp_path):
    fabricate.save(tmp_path / "a" / "1.png", fabricate.picture())
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    assert names(tmp_path) == ["a/1.png"]


def test_links_to_folders_elsewhere_are_followed(tmp_path):
    fabricate.save(tmp_path / "store" / "1.png", fabricate.picture())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "store", target_is_directory=True)
    assert names(tmp_path / "data") == ["link/1.png"]


def test_dead_links_are_kept_for_reading_to_report(tmp_path):
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    assert names(tmp_path) == ["dead.png"]


def test_long_and_odd_names(tmp_path):
    odd = ["x" * 200 + ".png", "a b  c.png", "日本.png", "naïve é.png", "100%.png", "new\nline.png"]
    for name in odd:
        fabricate.save(tmp_path / name, fabricate.picture(4, 4))
    assert sorted(names(tmp_path)) == sorted(odd)


def test_what_cannot_be_listed_is_named(tmp_path, monkeypatch):
    fabricate.save(tmp_path / "locked" / "a.png", fabricate.picture())
    scandir = os.scandir

    def refusing(folder):
        # File permissions would not do: they do not bind root, as whom containers run the tests.
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DatasetError, match="locked: cannot list this folder: Permission denied"):
        list_images(tmp_path)


def test_natural_key_by_hand():
    mixed = ["b1", "a10", "a2", "a02", "10", "9", "a", "a2b"]
    assert sorted(mixed, key=natural_key) == ["9", "10", "a", "a02", "a2", "a2b", "a10", "b1"]


@given(st.lists(st.text(max_size=8), max_size=8), st.randoms())
def test_natural_order_does_not_depend_on_the_input_order(texts, random):
    shuffled = list(texts)
    random.shuffle(shuffled)
    assert sorted(texts, key=natural_key) == sorted(shuffled, key=natural_key)


def test_stems_are_whole_and_of_one_unicode_form(tmp_path):
    assert stem_below(tmp_path / "sub" / "1.2.png", tmp_path) == "sub/1.2"
    assert stem_below(tmp_path / "e\u0301.png", tmp_path) == stem_below(tmp_path / "\u00e9.png", tmp_path)


@pytest.mark.parametrize("entry", ["../a.png", "/etc/passwd", "a/../../b.png", "..\\a.png", "C:\\a.png", ""])
def test_entries_outside_are_refused(tmp_path, entry):
    with pytest.raises(DatasetError, match=r"table\.csv"):
        inside(tmp_path, entry, source=tmp_path / "table.csv")


def test_entries_inside_are_joined(tmp_path):
    assert inside(tmp_path, "a\\b/c.png", source=tmp_path) == tmp_path / "a" / "b" / "c.png"
