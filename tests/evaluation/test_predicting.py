from __future__ import annotations

import csv
import json
import os

import pytest

from tests import fabricate
from utad.errors import DatasetError, InputError
from utad.evaluation.predicting import PredictionFolder, picture_names, predict_to_folder
from utad.types import Sample


def test_pictures_are_named_after_their_images_and_never_share_a_name():
    names = picture_names(["a/1.jpg", "a/1.png", "b/1.png", "ü b/x.tif", "a/10.jpg"])
    assert names == {
        "a/1.jpg": "a/1.jpg.png",
        "a/1.png": "a/1.png.png",
        "b/1.png": "b/1.png",
        "ü b/x.tif": "ü b/x.png",
        "a/10.jpg": "a/10.png",
    }


def test_names_that_differ_in_case_alone_are_kept_apart():
    assert len({name.casefold() for name in picture_names(["A.png", "a.jpg"]).values()}) == 2


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


def test_an_interrupted_run_leaves_no_half_written_table(detector, tmp_path):
    prediction = detector.predict(fabricate.picture(16, 16))

    def interrupted():
        with PredictionFolder(tmp_path, ["a"]) as folder:
            folder.add(Sample("a", fabricate.picture(16, 16)), prediction)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


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
