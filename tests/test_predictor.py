from __future__ import annotations

import math
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import fabricate
from utad import Sample
from utad.errors import ConfigError, DataError, ImageReadError, InputError, NonFiniteScoreError, NotFittedError
from utad.interpret.explanation import Explanation
from utad.predictor import Predictor
from utad.thresholds import warn_if_low, warn_if_no_review
from utad.types import EngineResult


class Mean:
    """An engine whose score is the mean of the image."""

    max_batch, streams, same_size = 4, 2, True

    def __init__(self) -> None:
        self.batches = []

    def run(self, images, *, concurrent=False):
        self.batches.append((len(images), concurrent))
        means = [float(image.mean(dtype=np.float64)) / np.iinfo(image.dtype).max for image in images]
        return [
            EngineResult(pred_score=mean, raw_score=2 * mean, anomaly_map=np.full(image.shape[:2], mean, np.float32))
            for mean, image in zip(means, images, strict=True)
        ]


@pytest.fixture
def engine():
    return Mean()


@pytest.fixture
def predictor(engine):
    return Predictor(engine)


def filled(value: int, height: int = 4, width: int = 5, dtype=np.uint8):
    return np.full((height, width, 3), value, dtype)


def test_predictions_come_in_order_and_have_the_size_of_their_image(predictor):
    images = [filled(0), filled(51), filled(102, 3, 2), filled(153), filled(255)]
    predictions = predictor.predict(images, batch_size=2)
    assert [p.pred_score for p in predictions] == pytest.approx([0.0, 0.2, 0.4, 0.6, 1.0])
    assert [p.raw_score for p in predictions] == pytest.approx([0.0, 0.4, 0.8, 1.2, 2.0])
    assert [p.pred_label for p in predictions] == [False, False, False, True, True]
    assert [p.anomaly_map.shape for p in predictions] == [image.shape[:2] for image in images]
    assert [bool(p.pred_mask.all()) for p in predictions] == [False, False, False, True, True]
    assert predictions[3].pred_mask.dtype == bool
    assert not predictions[2].component_maps


def test_label_and_threshold_follow_the_predictor(predictor):
    predictor.threshold = 0.1
    prediction = predictor.predict(filled(51))
    assert (prediction.pred_label, prediction.threshold) == (True, 0.1)


def test_neighbours_of_one_size_share_a_batch(predictor, engine):
    predictor.predict([filled(0)] * 5 + [filled(0, 7, 7)] + [filled(0)], batch_size=3)
    assert [count for count, _ in engine.batches] == [3, 2, 1, 1]


def test_any_sizes_share_a_batch_where_the_engine_takes_them(predictor, engine):
    engine.same_size = False
    predictor.predict([filled(0)] * 2 + [filled(0, 7, 7)] + [filled(0)], batch_size=3)
    assert [count for count, _ in engine.batches] == [3, 1]


def test_large_images_go_one_by_one(predictor, engine, monkeypatch):
    monkeypatch.setattr("utad.data.streaming.BATCH_PIXELS", 30)
    predictor.predict([filled(0)] * 2 + [filled(0, 3, 5)] * 2, batch_size=8)
    assert [count for count, _ in engine.batches] == [1, 1, 2]


@pytest.mark.parametrize(
    ("count", "batch_size", "concurrent"), [(1, 8, False), (7, 8, False), (8, 8, True), (20, 2, False)]
)
def test_batches_are_concurrent_for_as_many_images_as_keep_the_cores_busy(
    count, batch_size, concurrent, predictor, engine
):
    predictor.predict([filled(51)] * count, batch_size=batch_size)
    assert {with_others for _, with_others in engine.batches} == {concurrent}


def test_one_thread_computes_one_batch_after_the_other(engine):
    Predictor(engine, threads=1).predict([filled(51)] * 20)
    assert {with_others for _, with_others in engine.batches} == {False}
    with pytest.raises(InputError, match="got 0 threads, expected at least 1"):
        Predictor(engine, threads=0)


def test_several_threads_may_use_one_predictor(predictor):
    found = {}

    def score(value):
        found[value] = [p.pred_score for p in predictor.predict([filled(value)] * 9)]

    threads = [threading.Thread(target=score, args=(value,)) for value in range(0, 250, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(scores == pytest.approx([value / 255] * 9) for value, scores in found.items())
    assert len(found) == 10


def test_one_image_gives_one_prediction_and_a_folder_a_list(predictor, tmp_path):
    path = fabricate.save(tmp_path / "in" / "x.png", filled(51))
    assert predictor.predict(path).pred_score == pytest.approx(0.2)
    assert [p.pred_score for p in predictor.predict(path.parent)] == pytest.approx([0.2])
    assert [p.pred_score for p in predictor.predict(str(path.parent))] == pytest.approx([0.2])


def test_an_unreadable_file_gives_its_error_in_its_place(predictor, tmp_path):
    samples = [Sample("a", filled(51)), Sample("gone", tmp_path / "gone.png"), Sample("b", filled(102))]
    outcomes = list(predictor.predict_samples(samples))
    assert [sample.name for sample, _ in outcomes] == ["a", "gone", "b"]
    assert isinstance(outcomes[1][1], ImageReadError)
    assert outcomes[2][1].pred_score == pytest.approx(0.4)
    with pytest.raises(ImageReadError, match=r"gone\.png"):
        predictor.predict(Path(tmp_path / "gone.png"))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_an_unreadable_file_keeps_its_place_in_any_batch(predictor, tmp_path, batch_size):
    broken = Sample("gone", tmp_path / "gone.png")
    samples = [broken, Sample("a", filled(51)), Sample("b", filled(102)), broken, Sample("c", filled(153))]
    results = list(predictor.predict_samples(samples, batch_size=batch_size))
    assert [given for given, _ in results] == samples
    assert [isinstance(outcome, ImageReadError) for _, outcome in results] == [True, False, False, True, False]
    assert [isinstance(outcome, ImageReadError) for _, outcome in predictor.predict_samples([broken] * 3)] == [True] * 3
    assert list(predictor.predict_samples([])) == []


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_no_image_is_refused(predictor, size):
    with pytest.raises(InputError, match=f"got a batch_size of {size}, expected at least 1"):
        predictor.predict([filled(0)], batch_size=size)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["score", "map"])
def test_a_score_that_is_not_finite_is_never_handed_out(predictor, engine, where, value):
    run = engine.run

    def spoilt(images, *, concurrent=False):
        *good, last = run(images, concurrent=concurrent)
        if where == "score":
            return [*good, replace(last, pred_score=value)]
        last.anomaly_map[1, 2] = value
        return [*good, last]

    engine.run = spoilt
    with pytest.raises(NonFiniteScoreError, match="the score of image 1 is not finite"):
        predictor.predict([filled(0), filled(1)], batch_size=2)


def test_a_prediction_gives_its_row_and_says_that_nothing_was_restored(predictor):
    prediction = predictor.predict(filled(255))
    assert prediction.as_row("a/x.png", pred_mask="masks/x.png") == {
        "path": "a/x.png",
        "pred_score": 1.0,
        "pred_label": True,
        "threshold": 0.5,
        "anomaly_map": None,
        "pred_mask": "masks/x.png",
        "band": "fail",
        "regions": [{"box": [0, 0, 5, 4], "area": 20, "centroid": [2.0, 1.5], "peak": 1.0, "mean": 1.0}],
    }
    with pytest.raises(InputError, match="restores no images"):
        _ = prediction.impression


def test_bands_lie_between_two_thresholds(predictor):
    predictor.fail_threshold = 0.8
    images = [filled(value) for value in (102, 153, 255)]
    assert [p.band for p in predictor.predict(images)] == ["pass", "review", "fail"]
    predictor.threshold = 0.9  # above that of failing, which gives way
    assert [(p.band, p.fail_threshold) for p in predictor.predict(images)][1:] == [("pass", 0.9), ("fail", 0.9)]
    predictor.threshold, predictor.fail_threshold = 0.5, None
    assert [p.band for p in predictor.predict(images)] == ["pass", "fail", "fail"]


def test_rates_set_the_thresholds_from_the_scores_of_normal_images(engine):
    predictor = Predictor(engine, normal_scores=np.linspace(0, 1, 1999).tolist())
    predictor.set_rates(fpr=0.25)
    assert predictor.threshold == pytest.approx(0.75, abs=0.01)
    assert predictor.fail_threshold is None
    predictor.set_rates(fail_fpr=0.2)
    assert predictor.threshold == pytest.approx(0.75, abs=0.01)
    assert predictor.fail_threshold >= 0.8


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.5, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["fpr", "fail_fpr"])
def test_a_rate_that_is_none_is_refused(engine, name, rate):
    with pytest.raises(ConfigError, match=f"got {name} .*above 0 and below 0.5"):
        Predictor(engine, normal_scores=(0.0, 1.0)).set_rates(**{name: rate})


def test_rates_need_scores_of_normal_images_and_an_order(engine):
    with pytest.raises(DataError, match="utad calibrate --normal DIR"):
        Predictor(engine).set_rates(fpr=0.1)
    Predictor(engine).set_rates()
    with pytest.raises(ConfigError, match=r"fail_fpr 0\.2 above fpr 0\.1"):
        Predictor(engine, normal_scores=(0.0, 1.0)).set_rates(fpr=0.1, fail_fpr=0.2)


def test_the_threshold_is_set_from_labels(predictor):
    samples = [Sample(f"{value}", filled(value), anomalous=value > 100) for value in (51, 102, 153)]
    with pytest.raises(DataError, match="got 3 images to set the threshold from, expected at least 10"):
        predictor.calibrate_labelled(samples)
    before = predictor.threshold
    outcome = predictor.calibrate_labelled(samples, force=True)
    assert predictor.threshold == outcome.threshold == pytest.approx(0.3)
    assert [(part.kind, part.n_images, part.after) for part in outcome.flagged] == [
        ("normal", 1, 0),
        ("anomalous", 2, 2),
    ]
    assert predictor.undo_calibration().threshold == predictor.threshold == before
    with pytest.raises(ConfigError, match="no calibration to undo"):
        predictor.undo_calibration()
    with pytest.raises(DataError, match="none of the images has a label"):
        predictor.calibrate_labelled([Sample("x", filled(1))])


def test_without_an_engine_it_says_what_to_do():
    with pytest.raises(NotFittedError, match=r"call fit, or UTAD\.load"):
        Predictor().predict(filled(1))


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -math.inf])
def test_a_threshold_is_a_number(predictor, threshold):
    with pytest.raises(ConfigError, match="expected a finite number"):
        predictor.threshold = threshold
    with pytest.raises(ConfigError, match="expected a finite number"):
        Predictor(threshold=threshold)


def test_explain_gives_one_explanation_for_one_image_and_a_list_for_several(detector):
    one = detector.explain(fabricate.defective(), neighbours=3)
    assert isinstance(one, Explanation)
    assert len(one.neighbours) == 3
    assert one.normal_scores == detector.normal_scores
    assert sum(one.shares.values()) == pytest.approx(one.prediction.pred_score, abs=1e-6)
    several = detector.explain([fabricate.picture(), fabricate.defective()])
    assert [found.prediction.pred_score for found in several][1] == pytest.approx(one.prediction.pred_score, rel=1e-5)


def test_a_training_image_is_its_own_nearest_neighbour(detector, parts):
    name = detector.normal_images.names[3]
    found = detector.explain(parts / name)
    assert found.neighbours[0].name == name
    assert found.neighbours[0].distance < 0.1
    distances = [neighbour.distance for neighbour in found.neighbours]
    assert distances == sorted(distances)


@pytest.mark.parametrize(("threshold", "said"), [(0.0, True), (0.5, False), (2.0, False)])
def test_a_threshold_below_many_normal_images_is_mentioned(threshold, said, caplog):
    warn_if_low(threshold, [-0.3, -0.1, 0.1, 0.2, 0.45])
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "3 of the 5 normal images of this model's calibration score above the threshold 0"
    ][: int(said)]
    warn_if_low(threshold, [])


@pytest.mark.parametrize(("fail", "said"), [(0.4, True), (0.5, False), (0.9, False), (None, False)])
def test_a_threshold_of_failing_below_the_other_is_mentioned(fail, said, caplog):
    warn_if_no_review(0.5, fail)
    assert [record.getMessage() for record in caplog.records] == [
        "the rate of failing stands for a score of 0.400, below the threshold 0.500: every anomalous image fails, and "
        "none is for review"
    ][: int(said)]


def test_an_image_of_which_nothing_counts_gives_its_error_in_its_place(predictor, engine, monkeypatch):
    run = engine.run

    def regional(images, *, concurrent=False):
        found = run(images)
        return [replace(one, inside=np.full(one.anomaly_map.shape, one.anomaly_map.shape[0] > 1)) for one in found]

    monkeypatch.setattr(engine, "run", regional)
    samples = [Sample("large", filled(51)), Sample("small", filled(51, 1, 1))]
    (_, large), (_, small) = predictor.predict_samples(samples)
    assert large.pred_score == pytest.approx(0.2)
    assert isinstance(small, ImageReadError)
    assert "small: none of its 1 x 1 pixels lies in the region of interest" in str(small)


def test_images_whose_defects_lie_outside_set_the_threshold_as_normal_ones(predictor, engine, monkeypatch):
    run, left = engine.run, np.arange(5) < 2

    def regional(images, *, concurrent=False):
        return [replace(found, inside=np.broadcast_to(left, (4, 5))) for found in run(images)]

    monkeypatch.setattr(engine, "run", regional)
    marks = {"left": np.broadcast_to(left, (4, 5)), "right": np.broadcast_to(~left, (4, 5))}
    samples = [
        Sample("normal", filled(51), anomalous=False),
        Sample("outside", filled(204), anomalous=True, mask=marks["right"]),
        Sample("inside", filled(153), anomalous=True, mask=marks["left"]),
    ]
    outcome = predictor.calibrate_labelled(samples, force=True)
    assert [(part.kind, part.n_images) for part in outcome.flagged] == [("normal", 2), ("anomalous", 1)]
