from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from tests import fabricate
from utad.errors import DatasetError, InputError, OutputError
from utad.evaluation.predicting import predict_to_folder
from utad.evaluation.prediction_folder import PredictionFolder
from utad.evaluation.prediction_tables import TABLES
from utad.output_record import RECORD_NAME
from utad.predictor import Engine, Predictor
from utad.types import Sample


def test_long_names_work(detector, tmp_path):
    name = "ö" * 90 + ".png"
    fabricate.save(tmp_path / "in" / name, fabricate.picture(20, 20))
    summary = predict_to_folder(detector, [tmp_path / "in"], tmp_path / "out")
    assert (summary.n_images, summary.failed) == (1, [])
    assert (tmp_path / "out" / "maps" / name).is_file()


def test_names_that_are_not_utf_8_are_kept_without_loss(detector, tmp_path):
    raw = b"caf\xe9 \xff.png"
    fabricate.save(tmp_path / "in" / "x.png", fabricate.picture(20, 20)).rename(tmp_path / "in" / os.fsdecode(raw))
    summary = predict_to_folder(detector, [tmp_path / "in"], tmp_path / "out")
    assert summary.n_images == 1
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        (row,) = csv.DictReader(file)
    line = json.loads((tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8"))
    assert os.fsencode(row["path"]) == os.fsencode(line["path"]) == raw
    assert (tmp_path / "out" / row["anomaly_map"]).is_file()


def test_what_is_left_out_is_in_the_summary(detector, tmp_path):
    fabricate.save(tmp_path / "in" / "x.png", fabricate.picture(20, 20))
    (tmp_path / "in" / "y.heic").write_bytes(b"x")
    summary = predict_to_folder(detector, [tmp_path / "in"], tmp_path / "out", save=frozenset())
    assert (summary.n_images, summary.as_dict()["left_out"]) == (1, ["1 .heic, a format that is not read"])


@pytest.mark.parametrize("name", [None, "a.heic", "a.gif", ".hidden.png"])
def test_a_folder_without_images_keeps_the_earlier_table(detector, tmp_path, name):
    (tmp_path / "in").mkdir()
    if name is not None:
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.csv").write_text("earlier", encoding="utf-8")
    with pytest.raises(DatasetError, match="got no image files"):
        predict_to_folder(detector, [tmp_path / "in"], tmp_path / "out")
    with pytest.raises(DatasetError, match="got no image files"):
        detector.predict(tmp_path / "in")
    assert (tmp_path / "out" / "predictions.csv").read_text(encoding="utf-8") == "earlier"


class Halt(BaseException):
    """Stands for a signal."""


def tables(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "predictions.csv").read_bytes(), (folder / "predictions.jsonl").read_bytes()


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


class Stopping(Predictor):
    """A predictor that a signal stops after some batches, and that counts the images it scores.

    Args:
        engine: scores.
        batches: after which it stops; None for never.
    """

    def __init__(self, engine: Engine, batches: int | None = None) -> None:
        super().__init__(engine, threads=1)
        self.batches, self.scored = batches, 0

    def predict_batches(self, samples, *, batch_size=8, after=0):
        for number, batch in enumerate(super().predict_batches(samples, batch_size=batch_size, after=after)):
            if number == self.batches:
                raise Halt
            self.scored += len(batch)
            yield batch


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Eleven images of two sizes, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(11):
        fabricate.save(folder / f"{index}.png", fabricate.picture(20, 20 + index // 6, seed=index))
    (folder / "5b.png").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize("batches", [0, 1, 2, 3])
def test_a_resumed_run_ends_as_one_that_was_never_stopped(detector, photos, tmp_path, batches):
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    predict_to_folder(Stopping(detector.engine), [photos], whole, batch_size=3, run="model")
    with pytest.raises(Halt) as caught:
        predict_to_folder(Stopping(detector.engine, batches), [photos], halted, batch_size=3, run="model")
    if batches:
        assert tables(whole)[0].startswith(tables(halted)[0])
        assert tables(whole)[1].startswith(tables(halted)[1])
        (note,) = caught.value.__notes__
        count = tables(halted)[1].count(b"\n")
        assert note.startswith(f"{count} images are scored, in {halted / 'predictions.csv'}; ")
        assert note.endswith("the same command with --resume scores the rest")
    else:
        assert not halted.exists()
    rest = Stopping(detector.engine)
    summary = predict_to_folder(rest, [photos], halted, batch_size=3, run="model", resume=True)
    assert rest.scored == 12 - 3 * batches
    assert tables(halted) == tables(whole)
    assert pictures(halted) == pictures(whole)
    assert (summary.n_images, len(summary.failed)) == (11, 1)


def test_a_batch_that_a_kill_cut_off_is_scored_again(detector, photos, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    predict_to_folder(Stopping(detector.engine), [photos], whole, batch_size=3, run="model")
    predict_to_folder(Stopping(detector.engine), [photos], killed, batch_size=3, run="model")
    record = killed / RECORD_NAME
    lines = record.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"batch"' in line)
    record.write_bytes(b"".join(lines[:last]) + lines[last][:40])
    for name in TABLES:
        (killed / name).unlink()
    rest = Stopping(detector.engine)
    predict_to_folder(rest, [photos], killed, batch_size=3, run="model", resume=True)
    assert rest.scored == 3
    assert tables(killed) == tables(whole)


def test_another_run_is_not_resumed(detector, photos, tmp_path):
    stopping = Stopping(detector.engine, 1)
    with pytest.raises(Halt):
        predict_to_folder(stopping, [photos], tmp_path, batch_size=3, run="model")
    before = tables(tmp_path)
    one = photos / "1.png"
    for inputs, changes, words in (
        ([photos], {"run": "other model"}, "its model or settings differ"),
        ([photos], {"batch_size": 2}, "its model or settings differ"),
        ([photos], {"save": frozenset()}, "its what is saved differ"),
        ([one], {}, "its images differ"),
    ):
        arguments = {"batch_size": 3, "run": "model", **changes}
        with pytest.raises(OutputError, match=words):
            predict_to_folder(Stopping(detector.engine), inputs, tmp_path, resume=True, **arguments)
    assert tables(tmp_path) == before


def test_old_pictures_do_not_stay_among_new_ones(detector, photos, tmp_path):
    predict_to_folder(detector, [photos], tmp_path / "out", save=frozenset({"maps", "overlays"}))
    predict_to_folder(detector, [photos / "1.png"], tmp_path / "out", save=frozenset({"maps"}))
    assert list(pictures(tmp_path / "out")) == ["maps/1.png"]


@pytest.mark.parametrize("name", ["maps/1.png", "predictions.csv"])
def test_files_of_others_and_edited_ones_are_kept_and_nothing_is_scored(detector, photos, tmp_path, name):
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    counting = Stopping(detector.engine)
    with pytest.raises(OutputError, match="which utad did not write"):
        predict_to_folder(counting, [photos], tmp_path / "out")
    mine.unlink()
    predict_to_folder(detector, [photos], tmp_path / "out")
    mine.write_bytes(b"edited")
    with pytest.raises(OutputError, match="or which was changed since"):
        predict_to_folder(counting, [photos], tmp_path / "out")
    assert (mine.read_bytes(), counting.scored) == (b"edited", 0)


def test_no_name_leads_out_of_the_folder(detector, tmp_path):
    prediction = detector.predict(fabricate.picture(16, 16))
    names = ["../../a.png", str(tmp_path / "b.png"), "c/../../d.png"]
    with PredictionFolder(tmp_path / "deep" / "out", names, save=frozenset({"masks"})) as folder:
        for name in names:
            folder.add(Sample(name, fabricate.picture(16, 16)), prediction)
    masks = tmp_path / "deep" / "out" / "masks"
    assert len(list(masks.rglob("*.png"))) == len(list(tmp_path.rglob("*.png"))) == 3


def test_an_input_named_by_its_parent_stays_inside(detector, tmp_path, monkeypatch):
    image = fabricate.save(tmp_path / "photos" / "x.png", fabricate.picture(20, 20))
    other = fabricate.save(tmp_path / "here" / "y.png", fabricate.picture(20, 20))
    monkeypatch.chdir(tmp_path / "here")
    inputs = [Path("..") / "photos" / "x.png", Path("y.png"), other, image]
    predict_to_folder(detector, inputs, tmp_path / "out")
    assert sorted(pictures(tmp_path / "out")) == [
        *("maps/here/y.png", "maps/photos/x.png", "masks/here/y.png", "masks/photos/x.png")
    ]


def test_where_nothing_can_be_read_the_earlier_tables_stay(detector, photos, tmp_path):
    predict_to_folder(detector, [photos], tmp_path / "out")
    before = tables(tmp_path / "out"), pictures(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty: got no image files"):
        predict_to_folder(detector, [tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(DatasetError, match="none of the images can be read"):
        predict_to_folder(detector, [photos / "5b.png"], tmp_path / "out")
    assert (tables(tmp_path / "out"), pictures(tmp_path / "out")) == before


def test_an_earlier_table_stays_when_a_later_run_fails(detector, tmp_path):
    prediction = detector.predict(fabricate.picture(16, 16))
    with PredictionFolder(tmp_path, ["a"]) as folder:
        folder.add(Sample("a", fabricate.picture(16, 16)), prediction)
    before = (tmp_path / "predictions.csv").read_bytes()
    assert before.count(b"\n") == 2
    with pytest.raises(RuntimeError, match="halt"), PredictionFolder(tmp_path, ["b"]):
        raise RuntimeError("halt")
    assert (tmp_path / "predictions.csv").read_bytes() == before


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(InputError, match="got heat to save"):
        PredictionFolder(tmp_path, [], save=frozenset({"heat"}))
