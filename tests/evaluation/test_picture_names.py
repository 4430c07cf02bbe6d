from __future__ import annotations

import os
import time
import unicodedata
from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from utad.evaluation.picture_names import picture_names

PARTS = st.one_of(
    st.sampled_from(["a", "A", "a.png", "a.jpg", "a.jpg.png", "A.PNG", "..", ".", "", "é", "é", "ß", "ss", ".a", "a."]),
    st.text(max_size=6),
    st.text("ö", min_size=110, max_size=125),
)
NAMES = st.lists(st.builds("/".join, st.lists(PARTS, min_size=1, max_size=4)), unique=True, max_size=12)


def as_taken(picture: str) -> str:
    """What a careless file system makes of a name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", picture).casefold())


@given(NAMES)
def test_pictures_never_leave_the_folder_and_never_meet(names):
    pictures = picture_names(names)
    assert list(pictures) == names
    for picture in pictures.values():
        path = PurePosixPath(picture)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert "\0" not in picture
        assert path.suffix == ".png"
        assert len(os.fsencode(path.name.encode(errors="replace").decode())) <= 255
    taken = [as_taken(picture) for picture in pictures.values()]
    assert len(set(taken)) == len(taken)
    folders = {str(folder) for picture in taken for folder in PurePosixPath(picture).parents}
    assert folders.isdisjoint(taken)


@given(NAMES, st.randoms())
def test_pictures_do_not_hang_on_the_order(names, random):
    shuffled = random.sample(names, len(names))
    assert picture_names(shuffled) == picture_names(names)


def test_pictures_are_named_after_their_images():
    assert picture_names(["a/1.jpg", "a/1.png", "b/1.png", "ü b/x.tif", "a/10.jpg"]) == {
        "a/1.jpg": "a/1.jpg.png",
        "a/1.png": "a/1.png.png",
        "b/1.png": "b/1.png",
        "ü b/x.tif": "ü b/x.png",
        "a/10.jpg": "a/10.png",
    }


def test_a_name_that_the_whole_name_of_another_takes_is_kept_apart():
    names = ["a.jpg", "a.png", "a.jpg.tif"]
    assert len(set(picture_names(names).values())) == 3


def test_a_hundred_thousand_names_take_about_a_second_though_two_share_a_stem():
    names = [f"cam1/{index:06d}.png" for index in range(100_000)]
    start = time.process_time()
    pictures = picture_names([*names, "cam1/000000.jpg"])
    assert time.process_time() - start < 5  # it took minutes; other processes may slow it down
    assert (pictures["cam1/000000.png"], pictures["cam1/000001.png"]) == ("cam1/000000.png.png", "cam1/000001.png")
