from __future__ import annotations

import os

import pytest

from utad.errors import OutputError
from utad.files import atomic_directory, atomic_path, make_directory, output_errors, write_atomically


@pytest.fixture
def target(tmp_path):
    """A file that is there already."""
    path = tmp_path / "kept.txt"
    path.write_text("old", encoding="utf-8")
    return path


def test_the_new_content_takes_the_place_of_the_old(target):
    write_atomically(target, lambda temporary: temporary.write_text("new", encoding="utf-8"))
    assert target.read_text(encoding="utf-8") == "new"
    assert os.listdir(target.parent) == ["kept.txt"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(target):
    with atomic_path(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        assert target.read_text(encoding="utf-8") == "old"
        assert temporary.parent == target.parent
    assert target.read_text(encoding="utf-8") == "half"


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(target, error):
    def write(temporary):
        temporary.write_text("half", encoding="utf-8")
        raise error

    with pytest.raises(type(error)):
        write_atomically(target, write)
    assert target.read_text(encoding="utf-8") == "old"
    assert os.listdir(target.parent) == ["kept.txt"]


def test_a_full_disk_leaves_the_old_file_and_names_it(target):
    def write(temporary):
        temporary.write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_atomically(target, write)
    assert str(target) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert target.read_text(encoding="utf-8") == "old"
    assert os.listdir(target.parent) == ["kept.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "new.txt", lambda temporary: temporary.write_bytes(b"1"))
        left = os.umask(mask)
    finally:
        os.umask(before)
    assert (tmp_path / "new.txt").stat().st_mode & 0o777 == mode
    assert left == mask


def test_missing_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_atomically(path, lambda temporary: temporary.write_bytes(b"1"))
    assert path.read_bytes() == b"1"


def test_a_file_in_place_of_the_folder_is_an_error_that_names_the_path(target):
    path = target / "model.bin"
    with pytest.raises(OutputError) as caught:
        write_atomically(path, lambda temporary: temporary.write_bytes(b"1"))
    assert str(path) in str(caught.value)
    assert target.read_text(encoding="utf-8") == "old"


def test_a_folder_in_place_of_the_file_is_an_error_that_names_the_path(tmp_path):
    folder = tmp_path / "model.bin"
    folder.mkdir()
    with pytest.raises(OutputError) as caught:
        write_atomically(folder, lambda temporary: temporary.write_bytes(b"1"))
    assert str(folder) in str(caught.value)
    assert os.listdir(tmp_path) == ["model.bin"]
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["ä" * 120 + ".txt", "x" * 251 + ".txt", "with space.txt"])
def test_long_and_foreign_names_are_written(tmp_path, name):
    write_atomically(tmp_path / name, lambda temporary: temporary.write_bytes(b"1"))
    assert os.listdir(tmp_path) == [name]


def test_make_directory_makes_parents_and_keeps_what_is_there(tmp_path):
    folder = tmp_path / "a" / "b"
    assert make_directory(folder) == folder
    (folder / "kept").write_bytes(b"1")
    make_directory(folder)
    assert os.listdir(folder) == ["kept"]


@pytest.mark.parametrize("below", [False, True])
def test_make_directory_names_a_place_that_is_taken(target, below):
    path = target / "below" if below else target
    with pytest.raises(OutputError) as caught:
        make_directory(path)
    assert str(path) in str(caught.value)


def test_only_errors_of_the_operating_system_are_translated(tmp_path):
    with pytest.raises(ZeroDivisionError), output_errors(tmp_path):
        _ = 1 / 0
    with pytest.raises(OutputError, match="disk on fire"), output_errors(tmp_path):
        raise OSError("disk on fire")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "näher" / "export"
    with pytest.raises(IsADirectoryError), atomic_directory(target) as folder:
        (folder.joinpath("graph").write_bytes(b"part"), folder.write_bytes(b"a folder is no file"))
    assert list(target.parent.iterdir()) == []
    target.mkdir()
    with atomic_directory(target) as folder:
        (folder / "graph").write_bytes(b"whole")
        assert list(target.iterdir()) == []
    assert [path.read_bytes() for path in target.iterdir()] == [b"whole"]
    assert [path.name for path in target.parent.iterdir()] == ["export"]
    assert target.stat().st_mode == tmp_path.joinpath("näher").stat().st_mode


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_a_taken_place_is_left_alone(tmp_path, taken):
    target = tmp_path / "export"
    if taken == "file":
        target.write_text("mine", encoding="utf-8")
    else:
        target.mkdir()
        (target / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="export exists and is not an empty folder"), atomic_directory(target):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
