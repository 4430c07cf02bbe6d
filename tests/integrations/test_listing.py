from __future__ import annotations

import pytest

from tests import fabricate
from utad.errors import DatasetError
from utad.integrations.listing import list_images

pytest.importorskip("fsspec")


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "deep/b.PNG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        fabricate.save(tmp_path / name, fabricate.picture(8, 8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_paths_are_named_as_predict_names_them(folder):
    listed = list_images([str(folder)])
    assert listed.names == ("a.png", "deep/b.PNG")
    assert listed.places == (str(folder / "a.png"), str(folder / "deep/b.PNG"))
    assert listed.folders == (folder,)


def test_images_below_a_url_are_named_by_their_way_from_it(folder):
    listed = list_images([f"file://{folder}"])
    assert listed.names == ("a.png", "deep/b.PNG")
    assert listed.places == (f"file://{folder}/a.png", f"file://{folder}/deep/b.PNG")
    assert listed.left_out == ("1 other files",)


def test_one_url_may_be_an_image_and_several_keep_their_urls_as_names(folder):
    assert list_images([f"file://{folder}/a.png"]).names == ("a.png",)
    both = [f"file://{folder}/a.png", f"file://{folder}/deep"]
    assert list_images([*both, both[0]]).names == (f"file://{folder}/a.png", f"file://{folder}/deep/b.PNG")


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["file://{0}", "{0}"], "got paths and URLs"),
        (["file://{0}/none"], "does not exist, or is empty"),
        (["file://{0}/notes"], "no image files among 1"),
        (["nonsense://{0}"], "cannot be listed"),
    ],
)
def test_what_cannot_be_listed_is_refused(folder, places, message):
    (folder / "notes").mkdir()
    (folder / "notes.txt").rename(folder / "notes" / "a.txt")
    with pytest.raises(DatasetError, match=message):
        list_images([place.format(folder) for place in places])
