from __future__ import annotations

import pytest

from tests import fabricate
from utad.errors import DatasetError, InputError
from utad.evaluation.predicting import PredictionFolder, collect_samples, picture_names, predict_to_folder
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


def test_samples_are_named_below_the_folder_that_holds_them_all(tmp_path):
    one = fabricate.save(tmp_path / "line 1" / "x.png", fabricate.picture(8, 8))
    two = fabricate.save(tmp_path / "line 2" / "x.png", fabricate.picture(8, 8))
    assert [s.name for s in collect_samples([tmp_path])] == ["line 1/x.png", "line 2/x.png"]
    assert [s.name for s in collect_samples([one, two])] == ["line 1/x.png", "line 2/x.png"]
    assert [s.name for s in collect_samples([one, one.parent])] == ["x.png"]
    assert [s.name for s in collect_samples([one])] == ["x.png"]
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        collect_samples([tmp_path / "nowhere"])


def test_long_names_work(detector, tmp_path):
    name = "ö" * 90 + ".png"
    fabricate.save(tmp_path / "in" / name, fabricate.picture(20, 20))
    summary = predict_to_folder(detector, [tmp_path / "in"], tmp_path / "out")
    assert (summary.n_images, summary.failed) == (1, [])
    assert (tmp_path / "out" / "maps" / name).is_file()


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
