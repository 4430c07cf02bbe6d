from __future__ import annotations

import pytest

from tests.serving.watch.watched import image, once, paths
from utad.errors import OutputError
from utad.output_record import RECORD_NAME

TABLES = ("predictions.csv", "predictions.jsonl")


@pytest.fixture
def places(tmp_path):
    """A folder of three images that were scored one by one, and the output."""
    folder, output = tmp_path / "in", tmp_path / "out"
    for name in "abc":
        image(folder / f"{name}.png")
        once(folder, output)
    return folder, output


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("cut", [1, 30, 10_000])
def test_a_table_that_a_kill_left_behind_is_completed(places, name, cut):
    folder, output = places
    whole = (output / name).read_bytes()
    (output / name).write_bytes(whole[:-cut])
    once(folder, output)
    assert (output / name).read_bytes() == whole


def test_zeros_that_a_power_failure_left_are_replaced(places):
    folder, output = places
    whole = (output / "predictions.csv").read_bytes()
    (output / "predictions.csv").write_bytes(whole[:-20] + bytes(20))
    once(folder, output)
    assert (output / "predictions.csv").read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 40])
def test_an_image_whose_line_in_the_journal_is_torn_is_scored_again(places, cut):
    folder, output = places
    record = output / RECORD_NAME
    record.write_bytes(record.read_bytes()[:-cut])
    for name in TABLES:
        table = (output / name).read_bytes().splitlines(keepends=True)
        (output / name).write_bytes(b"".join(table[:-1]))  # they are written after the journal
    summary = once(folder, output)
    assert (summary.n_before, summary.n_images) == (2, 1)
    assert paths(output) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_somebody_edited_is_left_alone_and_one_moved_away_written_anew(places, name):
    folder, output = places
    whole = (output / name).read_bytes()
    for edited in (whole.replace(b"b.png", b"x.png"), whole + b"more"):
        (output / name).write_bytes(edited)
        with pytest.raises(OutputError, match=r"was changed by something other than utad watch.* move it away"):
            once(folder, output)
        assert (output / name).read_bytes() == edited
    (output / name).unlink()
    once(folder, output)
    assert (output / name).read_bytes() == whole


def test_a_failure_is_in_the_journal_and_in_no_table(places):
    folder, output = places
    (folder / "bad.png").write_bytes(b"no image")
    before = [(output / name).read_bytes() for name in TABLES]
    assert once(folder, output).n_failed == 1
    assert [(output / name).read_bytes() for name in TABLES] == before
    assert b'"failed"' in (output / RECORD_NAME).read_bytes()


def test_files_of_others_stay(tmp_path):
    image(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.csv").write_bytes(b"mine")
    with pytest.raises(OutputError, match="which utad did not write"):
        once(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.csv"]
