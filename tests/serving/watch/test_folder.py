from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import fabricate
from tests.serving.watch.watched import Counting, image, once, paths, rows, until, watching
from utad.errors import (
    ConfigError,
    DatasetError,
    ImageReadError,
    InputError,
    MissingDependencyError,
    OutputError,
)
from utad.evaluation.predicting import predict_to_folder
from utad.predictor import Predictor
from utad.serving.watch.folder import WatchOptions, watch_folder
from utad.serving.watch.scan import FileState
from watch_kills import Brightness, kill_and_count


@pytest.fixture
def folder(tmp_path) -> Path:
    image(tmp_path / "in" / "a.png")
    image(tmp_path / "in" / "sub" / "b.png", bright=True)
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "out"


def test_what_is_there_is_scored_once_and_a_new_version_again(folder, output):
    summary = once(folder, output)
    assert (summary.n_before, summary.n_images, summary.n_anomalous, summary.n_failed) == (0, 2, 1, 0)
    assert once(folder, output).n_images == 0
    image(folder / "a.png", bright=True, size=9)
    image(folder / "c.png")
    (folder / "sub" / "b.png").rename(folder / "d.png")
    summary = once(folder, output)
    assert (summary.n_before, summary.n_images, summary.n_anomalous) == (2, 3, 2)
    found = rows(output)
    assert sorted(row["path"] for row in found) == ["a.png", "a.png", "c.png", "d.png", "sub/b.png"]
    assert [row["number"] for row in found] == [1, 2, 3, 4, 5]
    assert [row["pred_label"] for row in found if row["path"] == "a.png"] == [False, True]
    with (output / "predictions.csv").open(encoding="utf-8", newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == paths(output)


def test_each_version_has_pictures_of_its_own(folder, output):
    everything = frozenset({"maps", "masks", "overlays"})
    once(folder, output, save=everything)
    image(folder / "a.png", bright=True, size=9)
    image(folder / "a.jpg")
    once(folder, output, save=everything)
    named = [row[key] for row in rows(output) for key in ("anomaly_map", "pred_mask")]
    assert len(named) == len(set(named)) == 8
    assert all((output / name).is_file() for name in named)
    assert len(list((output / "overlays").rglob("*.png"))) == 4


def test_killed_while_images_come_each_is_scored_exactly_once(tmp_path):
    result = kill_and_count(tmp_path, images=60, kills=5)
    assert (result["images"], result["missing"], result["repeated"]) == (60, 0, 0)
    assert result["rows"] == {"predictions.csv": 60, "predictions.jsonl": 60}
    killed_at = result["scored_at_each_kill"]
    assert killed_at == sorted(killed_at)
    assert 40 <= killed_at[-1] < 60


def test_an_unreadable_file_is_reported_once_and_tried_again_when_it_changes(folder, output, caplog):
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "empty.png").touch()
    summary = once(folder, output)
    assert (summary.n_images, summary.n_failed) == (2, 2)
    assert {Path(text.partition(":")[0]).name for text in summary.failed} == {"bad.png", "empty.png"}
    assert sum("not scored" in message for message in caplog.messages) == 2
    assert once(folder, output).n_failed == 0
    image(folder / "bad.png")
    summary = once(folder, output)
    assert (summary.n_images, summary.n_failed) == (1, 0)


def test_a_file_that_the_system_does_not_hand_out_is_tried_again(folder, output):
    class Refused(Counting):
        def predict_batches(self, samples, *, batch_size=8, after=0):
            for sample in samples:
                error = ImageReadError(f"{sample.name}: input/output error")
                error.__cause__ = OSError(5, "Input/output error")
                yield [(sample, error)]

    options = WatchOptions(settle=0.0, once=True, save=frozenset())
    summary = watch_folder(Refused(), folder, output, options=options, run="model")
    assert (summary.n_images, summary.n_failed) == (0, 2)
    assert rows(output) == []
    assert once(folder, output).n_images == 2


def test_an_image_whose_score_is_not_finite_is_reported_and_the_others_are_scored(folder, output):
    class Dark(Brightness):
        def run(self, images, *, concurrent=False):
            results = super().run(images, concurrent=concurrent)
            return [
                result if result.pred_score > 0.5 else type(result)(**{**vars(result), "pred_score": float("nan")})
                for result in results
            ]

    options = WatchOptions(settle=0.0, once=True, save=frozenset())
    summary = watch_folder(Predictor(Dark(), threads=1), folder, output, options=options)
    assert (summary.n_images, summary.n_failed) == (1, 1)
    assert paths(output) == ["sub/b.png"]
    assert "a.png is not finite" in summary.failed[0]


@pytest.mark.parametrize("error", [InputError, MissingDependencyError])
def test_an_image_that_the_engine_does_not_take_is_reported_and_the_others_are_scored(folder, output, error):
    class Refusing(Brightness):
        def run(self, images, *, concurrent=False):
            results = super().run(images, concurrent=concurrent)
            if any(result.pred_score < 0.5 for result in results):
                raise error("got an image of 16 bits")
            return results

    options = WatchOptions(settle=0.0, once=True, save=frozenset())
    summary = watch_folder(Predictor(Refusing(), threads=1), folder, output, options=options)
    assert (summary.n_images, summary.n_failed) == (1, 1)
    assert paths(output) == ["sub/b.png"]
    assert "16 bits" in summary.failed[0]


def test_images_are_scored_as_they_come_by_events(folder, output, monkeypatch):
    monkeypatch.setattr("utad.serving.watch.events.RESCAN_SECONDS", 1000.0)
    monkeypatch.setattr("utad.serving.watch.events._STARTING_SECONDS", 0.5)
    with watching(folder, output):
        until(lambda: len(rows(output)) == 2)
        image(folder / "c.png.part.png").rename(folder / "c.png")
        image(folder.parent / "making" / "e" / "f.png")
        (folder.parent / "making" / "e").rename(folder / "e")
        until(lambda: {"c.png", "e/f.png"} <= set(paths(output)))
        # A name that is not UTF-8 ends the package's stream of events, which must begin again.
        (folder / "c.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
        until(lambda: os.fsdecode(b"caf\xe9.png") in paths(output))
    assert len(paths(output)) == len(set(paths(output)))


def test_a_file_that_is_being_written_waits_for_its_end(folder, output):
    data = image(folder.parent / "whole.png", size=64).read_bytes()
    with watching(folder, output, poll=0.05, settle=0.5) as detector:
        with (folder / "slow.png").open("wb", buffering=0) as file:
            for position in range(len(data)):
                file.write(data[position : position + 1])
                time.sleep(0.01)
        until(lambda: "slow.png" in paths(output))
    assert detector.scored.count("slow.png") == 1


def test_a_time_of_change_that_is_none_does_not_matter(folder, output, monkeypatch):
    far = FileState(10, 10**21)
    monkeypatch.setattr("utad.serving.watch.scan.state_of", lambda path: far)
    monkeypatch.setattr("utad.serving.watch.folder.state_of", lambda path: far)
    assert once(folder, output).n_images == 2
    assert [row["modified"] for row in rows(output)] == [None, None]


def test_a_folder_that_goes_away_is_waited_for(folder, output, caplog, monkeypatch):
    monkeypatch.setattr("utad.serving.watch.folder._AWAY_SECONDS", 0.05)
    away = folder.parent / "away"
    with watching(folder, output, poll=0.05):
        until(lambda: len(rows(output)) == 2)
        folder.rename(away)
        until(lambda: any("is not there" in message for message in caplog.messages))
        image(away / "c.png")
        away.rename(folder)
        until(lambda: len(rows(output)) == 3)
    assert sum("is not there" in message for message in caplog.messages) == 1
    assert any("is there again; going on" in message for message in caplog.messages)
    assert sorted(paths(output)) == ["a.png", "c.png", "sub/b.png"]


def test_another_folder_under_the_name_is_noticed(folder, output, caplog):
    with watching(folder, output, poll=0.05):
        until(lambda: len(rows(output)) == 2)
        folder.rename(folder.parent / "unmounted")
        image(folder / "c.png")
        until(lambda: len(rows(output)) == 3)
    assert any("is another folder than before" in text or "is there again" in text for text in caplog.messages)


def test_a_second_watch_of_the_same_output_is_refused(folder, output):
    with watching(folder, output, poll=0.05):
        until(lambda: len(rows(output)) == 2)
        with pytest.raises(OutputError, match="another run writes to"):
            once(folder, output)
    assert once(folder, output).n_before == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": "other"}, "its model or settings differ"),
        ({"save": frozenset({"maps"})}, "its what is saved differ"),
        ({"folder": "moved"}, "its watched folder differ"),
    ],
)
def test_results_of_another_watch_are_not_mixed_with(folder, output, changes, words):
    once(folder, output)
    before = (output / "predictions.csv").read_bytes()
    other = folder.parent / changes.pop("folder", "in")
    other.mkdir(exist_ok=True)
    with pytest.raises(OutputError, match=words):
        once(other, output, **changes)
    assert (output / "predictions.csv").read_bytes() == before


def test_predict_and_watch_do_not_write_over_each_other(folder, output):
    once(folder, output)
    with pytest.raises(OutputError, match="which goes with the results of utad watch"):
        predict_to_folder(Counting(), [folder], output, save=frozenset())
    predict_to_folder(Counting(), [folder], output.parent / "other", save=frozenset())
    with pytest.raises(OutputError, match="which goes with the predictions"):
        once(folder, output.parent / "other")


def test_an_output_in_the_folder_or_a_folder_that_is_none_is_refused(folder, output):
    with pytest.raises(OutputError, match="lies in the input"):
        once(folder, folder / "out")
    with pytest.raises(OutputError, match="lies in the input"):
        once(folder, output, flagged=folder / "flagged")
    for place in (folder / "a.png", folder / "none"):
        with pytest.raises(DatasetError, match="expected a folder to watch"):
            once(place, output)


@pytest.mark.parametrize("values", [{"settle": -1.0}, {"poll": 0.0}, {"batch_size": 0}, {"link": True}])
def test_options_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match=r"expected|name the folder"):
        WatchOptions(**values)


FULL = """
import resource, sys
from pathlib import Path
from watch_kills import watch
from utad.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    watch(Path(sys.argv[1]), Path(sys.argv[2]), once=True)
except OutputError as error:
    sys.exit(f"stopped: {error}")
"""
"""Lets no file grow beyond 4,000 bytes, as a full disk would."""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_full_disk_stops_it_with_nothing_half_written(tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    for index in range(30):
        fabricate.save(folder / f"{index}.png", np.full((4, 4, 3), index, np.uint8))
    command = [sys.executable, "-c", FULL, str(folder), str(output)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 1
    assert "stopped: cannot write" in ended.stderr
    assert "free some space" in ended.stderr
    for name in ("predictions.csv", "predictions.jsonl", ".utad-record.jsonl"):
        content = (output / name).read_bytes()
        assert content == b"" or content.endswith(b"\n")
    n_kept = len(rows(output))
    assert n_kept < 30
    summary = watch_once(folder, output)
    assert len(paths(output)) == len(set(paths(output))) == 30
    assert summary.n_before + summary.n_images == 30


def watch_once(folder: Path, output: Path):
    options = WatchOptions(settle=0.0, once=True, save=frozenset({"maps"}))
    return watch_folder(Predictor(Brightness(), threads=1), folder, output, options=options, run="brightness")
