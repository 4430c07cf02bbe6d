from __future__ import annotations

import os

import pytest

from tests.serving.watch.watched import image
from utad.serving.watch.scan import is_image_name, scan


@pytest.mark.parametrize("name", ["a.png", "sub/B.JPG", "gear.part.png", "caf\udce9.tif", "a b/ü.bmp"])
def test_images_are_known_by_their_ending(name):
    assert is_image_name(name)


@pytest.mark.parametrize(
    "name", ["a.png.part", "a.png.tmp", "a.png~", "~a.png", ".a.png", ".sub/a.png", "@eaDir/a.png", "a.csv", "png"]
)
def test_temporary_and_hidden_names_are_none(name):
    assert not is_image_name(name)


def test_links_are_followed_and_circles_ended(tmp_path):
    image(tmp_path / "in" / "a.png")
    image(tmp_path / "other" / "b.png")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "dead.png").symlink_to(tmp_path / "none.png")
    assert sorted(arrival.name for arrival in scan(tmp_path / "in")) == ["a.png", "link/b.png"]


def test_a_folder_in_it_can_be_looked_at_alone(tmp_path):
    image(tmp_path / "a.png")
    image(tmp_path / "sub" / "deep" / "b.png")
    found = list(scan(tmp_path, tmp_path / "sub"))
    assert [arrival.name for arrival in found] == ["sub/deep/b.png"]
    status = os.stat(tmp_path / "sub" / "deep" / "b.png")
    assert found[0].state == (status.st_size, status.st_mtime_ns)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "none"))


def test_a_folder_that_cannot_be_listed_is_told_of_once(tmp_path, monkeypatch, caplog):
    image(tmp_path / "a.png")
    image(tmp_path / "closed" / "b.png")
    listed = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    told = set()
    for _ in range(2):
        assert [arrival.name for arrival in scan(tmp_path, told=told)] == ["a.png"]
    assert caplog.messages == [f"{tmp_path / 'closed'}: cannot list this folder: Permission denied"]
