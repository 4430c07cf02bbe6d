from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from utad.errors import OutputError
from utad.output_folder import OutputFolder, output_folder
from utad.output_record import RECORD_NAME


def write(folder: OutputFolder, name: str, text: str = "ours") -> None:
    folder.write(name, lambda path: path.write_text(text, encoding="utf-8"))


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != RECORD_NAME
    }


@pytest.fixture
def earlier(tmp_path) -> Path:
    """A folder that an earlier command wrote to."""
    with output_folder(tmp_path / "out", "maps") as folder:
        write(folder, "maps/1.txt")
        write(folder, "maps/deep/2.txt")
    return tmp_path / "out"


def test_what_was_written_before_is_replaced_or_removed(earlier):
    with output_folder(earlier, "maps") as folder:
        write(folder, "maps/1.txt", "new")
    assert content(earlier) == {"maps/1.txt": "new", "maps/deep/2.txt": "ours"}
    with output_folder(earlier, "maps") as folder:
        folder.clear()
    assert not earlier.joinpath("maps").exists()


def test_what_somebody_else_wrote_stays(earlier):
    (earlier / "maps" / "mine.txt").write_text("mine", encoding="utf-8")
    with output_folder(earlier, "maps") as folder:
        with pytest.raises(OutputError, match=r"holds maps/mine\.txt, which utad did not write"):
            write(folder, "maps/mine.txt")
        folder.clear()
    assert content(earlier) == {"maps/mine.txt": "mine"}


def test_what_goes_with_the_results_of_another_command_can_be_left_alone(earlier):
    with output_folder(earlier, "tables") as folder:
        folder.refuse_of_other_purposes(["maps/new.txt"])
        with pytest.raises(OutputError, match=r"holds maps/1\.txt, which goes with the maps in it"):
            folder.refuse_of_other_purposes(["maps/1.txt"])
        folder.remove("maps/1.txt")
    assert content(earlier) == {"maps/1.txt": "ours", "maps/deep/2.txt": "ours"}
    with output_folder(earlier, "maps") as folder:
        folder.remove("maps/1.txt")
        folder.remove("maps/1.txt")
    (earlier / "maps" / "deep" / "2.txt").write_text("edited", encoding="utf-8")
    with output_folder(earlier, "maps") as folder:
        folder.remove("maps/deep/2.txt")
    assert content(earlier) == {"maps/deep/2.txt": "edited"}
    (earlier / "maps" / "deep" / "2.txt").unlink()
    with output_folder(earlier, "tables") as folder:
        folder.refuse_of_other_purposes(["maps/deep/2.txt"])


def test_what_somebody_changed_stays_and_nothing_is_removed(earlier):
    (earlier / "maps" / "1.txt").write_text("edited", encoding="utf-8")
    with output_folder(earlier, "maps") as folder:
        for change in (folder.clear, folder.refuse_others, lambda: write(folder, "maps/1.txt")):
            with pytest.raises(OutputError, match=r"maps/1\.txt, which utad did not write, or which was changed"):
                change()
    assert content(earlier) == {"maps/1.txt": "edited", "maps/deep/2.txt": "ours"}


def test_files_of_another_purpose_stay(earlier):
    with output_folder(earlier, "model") as folder:
        folder.own(["weights"])
        (earlier / "weights").write_text("1", encoding="utf-8")
        write(folder, "log")
        (earlier / "mine").write_text("", encoding="utf-8")
        with pytest.raises(OutputError, match="holds mine"):
            folder.own(["mine"])
    with output_folder(earlier, "maps") as folder:
        folder.clear()
    with output_folder(earlier, "model") as folder:
        folder.own(["weights"])
    assert content(earlier) == {"weights": "1", "log": "ours", "mine": ""}


@pytest.mark.parametrize("name", ["../stolen", "a/../../stolen", "link/stolen", "deep/link/stolen"])
def test_no_name_and_no_link_leads_out(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    for link in ("out/link", "out/deep/link"):
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(tmp_path / "elsewhere")
    with output_folder(tmp_path / "out", "maps") as folder, pytest.raises(OutputError, match="leads out of the output"):
        write(folder, name)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "stolen").exists()


def test_a_link_in_place_of_a_file_is_not_followed(earlier):
    target = earlier.parent / "mine.txt"
    target.write_text("ours", encoding="utf-8")
    (earlier / "maps" / "1.txt").unlink()
    (earlier / "maps" / "1.txt").symlink_to(target)
    with output_folder(earlier, "maps") as folder, pytest.raises(OutputError):
        write(folder, "maps/1.txt", "new")
    assert target.read_text(encoding="utf-8") == "ours"


def test_an_unused_folder_leaves_no_trace(tmp_path):
    with pytest.raises(RuntimeError), output_folder(tmp_path / "a" / "b", "maps"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with output_folder(tmp_path / "mine", "maps"):
        pass
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="file is not a folder"), output_folder(tmp_path / "file", "maps"):
        pass


def test_notes_last_until_they_are_cleared(earlier):
    with output_folder(earlier, "maps") as folder:
        folder.note({"row": 1})
    with output_folder(earlier, "other") as folder:
        folder.note({"row": "other"})
    with output_folder(earlier, "maps") as folder:
        folder.note({"row": 2})
        assert [note["row"] for note in folder.notes()] == [1, 2]
        folder.clear()
        folder.note({"row": 3})
        assert [note["row"] for note in folder.notes()] == [3]


@pytest.mark.parametrize("torn", [b'{"by": "maps", "file": "maps/3', b"\xff\x00\n", b"[]\n"])
def test_a_torn_line_of_the_record_costs_that_line_alone(earlier, torn):
    with (earlier / RECORD_NAME).open("ab") as record:
        record.write(torn)
    with output_folder(earlier, "maps") as folder:
        write(folder, "maps/4.txt")
    with output_folder(earlier, "maps") as folder:
        folder.clear()
    assert content(earlier) == {}


HOLDER = """
import sys
from pathlib import Path
from utad.output_folder import output_folder
with output_folder(Path(sys.argv[1]), "maps") as folder:
    folder.write("maps/1.txt", lambda path: path.write_text("ours", encoding="utf-8"))
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_is_refused_until_the_first_ends_or_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "out")]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout is not None
    assert first.stdout.readline() == b"held\n"
    second = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert "OutputError: another run writes to" in second.stderr
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    assert content(tmp_path / "out") == {"maps/1.txt": "ours"}


def test_a_text_is_written_as_it_is_and_lone_surrogates_as_escapes(tmp_path):
    with output_folder(tmp_path / "out", "tests") as folder:
        folder.write_text("page.txt", "ü\r\nteil\udce4.png\n")
    assert (tmp_path / "out" / "page.txt").read_bytes() == "ü\r\nteil\\udce4.png\n".encode()
