from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from utad.errors import OutputError
from utad.overlap import refuse_overlap

FOLDERS = ("data", "data/normal", "data/masks", "data/normal/deep", "other", "other/inner", "apart")
LINKS = {"to data": "data", "other/to deep": "data/normal/deep", "data/masks/to inner": "other/inner"}
FILES = ("data/normal/1.png", "other/x.png", "apart/y.png")
PLACES = st.builds(
    lambda place, more, detour: f"{place}/{detour}/../{more}" if detour else f"{place}/{more}",
    st.sampled_from((*FOLDERS, *LINKS)),
    st.sampled_from(("", ".", "new", "..")),
    st.sampled_from(("", "normal", "inner", "deep")),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    for link, target in LINKS.items():
        (root / link).symlink_to(root / target, target_is_directory=True)
    for file in FILES:
        (root / file).write_bytes(b"")
    return root


def reached(path: str) -> set[str]:
    """The real paths of all that reading a folder comes to; of a file, itself; of a link, where it stands too."""
    found: set[str] = set()
    if os.path.islink(path):
        found.add(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))
    for folder, folders, files in os.walk(path, followlinks=True):
        found.update(os.path.realpath(os.path.join(folder, name)) for name in (".", *folders, *files))
    return found | {os.path.realpath(path)}


def lies_in(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(output=PLACES, given_path=st.one_of(PLACES, st.sampled_from(FILES)))
@example(output="data", given_path="data/masks/to inner")
@example(output="data/masks", given_path="data/masks/to inner/")
@example(output="other", given_path="data/masks/to inner")
def test_refused_is_what_overlaps_by_real_paths_and_nothing_else(tree, output, given_path):
    target, source = os.path.realpath(tree / output), tree / given_path
    if not source.exists():
        return
    places = reached(str(source))
    overlaps = any(lies_in(place, target) or (os.path.isdir(place) and lies_in(target, place)) for place in places)
    try:
        refuse_overlap(tree / output, [source])
    except OutputError:
        assert overlaps
    else:
        assert not overlaps


def test_a_link_to_an_image_counts_as_the_image(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.png").write_bytes(b"")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.png").symlink_to(tmp_path / "real" / "1.png")
    for given_path in (tmp_path / "in", tmp_path / "in" / "1.png"):
        with pytest.raises(OutputError, match="holds the input"):
            refuse_overlap(tmp_path / "real", [given_path])


def test_single_files_may_lie_beside_the_output_but_not_in_it(tmp_path):
    (tmp_path / "1.png").write_bytes(b"")
    refuse_overlap(tmp_path / "out", [tmp_path / "1.png", tmp_path / "nowhere.png"])
    with pytest.raises(OutputError, match=r"holds the input .*1\.png"):
        refuse_overlap(tmp_path, [tmp_path / "1.png"])


def test_links_in_a_circle_come_to_an_end(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    refuse_overlap(tmp_path / "out", [tmp_path / "in"])
