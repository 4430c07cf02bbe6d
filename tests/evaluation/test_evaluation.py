from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from utad.errors import DataError
from utad.evaluation.evaluate import evaluate_method, evaluate_to_folder
from utad.evaluation.evaluation import Evaluation, EvaluationAccumulator
from utad.evaluation.tables import comparison_table, row_of
from utad.predictor import Predictor
from utad.types import Category, EngineResult, Prediction, Sample


def said(score: float, mask: np.ndarray) -> Prediction:
    """A prediction whose map is the truth."""
    return Prediction(
        pred_score=score,
        raw_score=score,
        anomaly_map=mask.astype(np.float32),
        pred_label=score > 0.5,
        threshold=0.5,
        fail_threshold=0.8,
        regions=(),
        pred_mask=mask,
    )


class Brightness:
    """An engine whose score is the mean of the image."""

    max_batch, streams, same_size = 4, 1, False

    def run(self, images, *, concurrent=False):
        means = [float(image.mean()) / 255 for image in images]
        return [
            EngineResult(pred_score=mean, raw_score=mean, anomaly_map=np.full(image.shape[:2], mean, np.float32))
            for mean, image in zip(means, images, strict=True)
        ]


def truth(anomalous: bool) -> np.ndarray:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = anomalous
    return mask


def evaluated(scores, *, masks=True, seconds: float = 1) -> Evaluation:
    """Of images with these scores and truths; `masks` says which of them have a ground truth."""
    accumulator = EvaluationAccumulator()
    for index, (score, anomalous) in enumerate(scores):
        mask = truth(anomalous)
        accumulator.update(
            said(score, mask),
            anomalous=anomalous,
            gt_mask=mask if masks is True or index in masks else None,
            seconds=seconds / len(scores),
        )
    return accumulator.compute()


SCORES = [(0.1, False), (0.6, False), (0.7, True), (0.4, True), (0.9, True)]


def test_rates_are_counted_at_the_methods_own_threshold():
    evaluation = evaluated(SCORES, seconds=0.05)
    assert (evaluation.n_normal, evaluation.n_anomalous) == (2, 3)
    assert evaluation.false_positive_rate == 0.5
    assert evaluation.recall == pytest.approx(2 / 3)
    # Nothing is allowed of two normal images: the threshold is the higher of them, 0.6.
    assert evaluation.recall_oracle == pytest.approx(2 / 3)
    assert evaluation.masked_normals == 0
    assert evaluation.ms_per_image == pytest.approx(10)
    assert evaluation.image.auroc == pytest.approx(5 / 6)
    assert evaluation.pixel.iou == evaluation.pixel.aupro == 1


@pytest.mark.parametrize("masks", [(), (0, 1, 2, 3), (1, 2, 3, 4)])
def test_without_masks_pixel_metrics_are_absent_and_not_zero(masks):
    plain = evaluated(SCORES, masks=masks).as_dict()
    assert "pixel" not in plain
    assert plain["image"]["auroc"] > 0


@pytest.mark.parametrize("missing", [None, 1, 3])
def test_a_method_has_pixel_metrics_only_if_no_anomalous_image_lacks_its_mask(missing):
    class Method:
        def predict_samples(self, samples, *, batch_size=8):
            for sample in samples:
                mask = truth(sample.anomalous)
                yield sample, said(float(sample.anomalous), mask)

    truths = [False, False, True, True]  # a normal image needs no mask
    samples = [
        Sample(str(k), np.zeros((4, 4, 3), np.uint8), anomalous, mask=None if k == missing else truth(anomalous))
        for k, anomalous in enumerate(truths)
    ]
    evaluation = evaluate_method(Method(), Category("parts", [], samples))
    assert evaluation.image.auroc == 1
    assert (evaluation.pixel is None) == (missing == 3)


def test_with_one_kind_of_image_there_are_rates_alone():
    plain = evaluated([(0.1, False), (0.9, False)]).as_dict()
    assert plain["false_positive_rate"] == 0.5
    assert "image" not in plain
    assert "recall" not in plain
    with pytest.raises(DataError, match="no test images"):
        EvaluationAccumulator().compute()


def test_metrics_are_nested_by_data_set_category_method_and_seed(tmp_path):
    images = [np.full((4, 4, 3), value, np.uint8) for value in (0, 60, 200)]
    samples = [Sample(f"{i}", image, anomalous=i == 2) for i, image in enumerate(images)]
    report = evaluate_to_folder(
        Predictor(Brightness()), Category("bottle", [], samples), tmp_path, dataset="data/mvtec", seed=3
    )
    nested = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert nested == {"mvtec": {"bottle": {"utad": {"3": report.evaluation.as_dict()}}}}
    assert report.evaluation.image.auroc == 1.0
    assert "| bottle | utad | 1.000 |" in report.table
    assert (tmp_path / "metrics.md").read_text(encoding="utf-8") == report.table + "\n"


def test_a_row_has_the_values_of_every_seed():
    evaluation = evaluated(SCORES).as_dict()
    row = row_of("bottle", "utad", [{**evaluation, "fit_seconds": seconds} for seconds in (1, 2)])
    assert row.values["fit_seconds"] == [1.0, 2.0]
    assert "| bottle | utad | 0.833 ± 0.000 |" in comparison_table([row])
    assert "peak_memory_mb" not in row.values


def test_only_pixels_inside_a_region_count():
    right = np.zeros((4, 4), bool)
    right[:, 2:] = True
    heat = np.where(right, 0.1, 9.0).astype(np.float32)  # all wrong outside
    heat[1:3, 2] = 1.0  # all right inside
    accumulator = EvaluationAccumulator()
    for anomalous in (False, True):
        mask = truth(anomalous)
        prediction = replace(said(0.9 * anomalous, mask), anomaly_map=heat * anomalous, inside=right)
        accumulator.update(prediction, anomalous=anomalous, gt_mask=mask, seconds=1)
    evaluation = accumulator.compute()
    assert (evaluation.pixel.auroc, evaluation.pixel.iou, evaluation.pixel.aupro) == (1, 1, 1)
    assert evaluation.n_defects_outside == 0
    assert "n_defects_outside" not in evaluated(SCORES).as_dict()


def test_a_defect_outside_the_region_makes_no_image_anomalous(tmp_path):
    right = np.zeros((4, 4), bool)
    right[:, 3:] = True

    class Method:
        def predict_samples(self, samples, *, batch_size=8):
            for sample in samples:
                yield sample, replace(said(0.9 * (sample.name == "2"), np.zeros((4, 4), bool)), inside=right)

    at_the_right = truth(True)[:, ::-1].copy()
    at_the_right[:, 3] |= at_the_right[:, 2]
    samples = [
        Sample(str(k), np.zeros((4, 4, 3), np.uint8), anomalous, mask=mask)
        for k, (anomalous, mask) in enumerate([(False, None), (True, truth(True)), (True, at_the_right)])
    ]
    report = evaluate_to_folder(Method(), Category("parts", [], samples), tmp_path / "out", dataset="d", seed=0)
    found = report.evaluation.as_dict()
    assert (found["n_normal"], found["n_anomalous"], found["n_defects_outside"]) == (2, 1, 1)
    assert found["image"]["auroc"] == 1
    assert report.table.endswith("Images whose defects all lie outside, and which count as normal: 1.")
    assert (tmp_path / "out" / "metrics.md").read_text(encoding="utf-8") == report.table + "\n"
