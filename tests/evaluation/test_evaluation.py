from __future__ import annotations

import json

import numpy as np
import pytest

from utad.errors import DataError
from utad.evaluation.evaluation import Outcome, evaluate_outcomes
from utad.evaluation.report import Result, metrics_table, write_metrics


def outcome(score: float, anomalous: bool, *, masks: bool = True) -> Outcome:
    if not masks:
        return Outcome(score, score > 0.5, anomalous)
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = anomalous
    return Outcome(score, score > 0.5, anomalous, mask.astype(np.float32), mask.copy(), mask)


OUTCOMES = [outcome(0.1, False), outcome(0.6, False), outcome(0.7, True), outcome(0.4, True), outcome(0.9, True)]


def test_rates_are_counted_at_the_methods_own_threshold():
    evaluation = evaluate_outcomes(OUTCOMES, seconds=0.05)
    assert (evaluation.n_normal, evaluation.n_anomalous) == (2, 3)
    assert evaluation.false_positive_rate == 0.5
    assert evaluation.recall == pytest.approx(2 / 3)
    assert evaluation.ms_per_image == pytest.approx(10)
    assert evaluation.image.auroc == pytest.approx(5 / 6)
    assert evaluation.pixel.iou == evaluation.pixel.aupro == 1


def test_without_masks_pixel_metrics_are_absent_and_not_zero():
    for outcomes in (
        [outcome(s, a, masks=False) for s, a in ((0.1, False), (0.9, True))],
        [*OUTCOMES, outcome(1, True, masks=False)],
    ):
        plain = evaluate_outcomes(outcomes, seconds=1).as_dict()
        assert "pixel" not in plain
        assert plain["image"]["auroc"] > 0


def test_with_one_kind_of_image_there_are_rates_alone():
    plain = evaluate_outcomes([outcome(0.1, False), outcome(0.9, False)], seconds=1).as_dict()
    assert plain["false_positive_rate"] == 0.5
    assert "image" not in plain
    assert "recall" not in plain
    with pytest.raises(DataError, match="no test images"):
        evaluate_outcomes([], seconds=0)


def test_metrics_are_nested_by_data_set_category_method_and_seed(tmp_path):
    evaluation = evaluate_outcomes(OUTCOMES, seconds=1)
    results = [Result("mvtec", "bottle", "utad", seed, evaluation) for seed in (0, 1)]
    results.append(Result("mvtec", "cable", "padim", 0, evaluation))
    write_metrics(tmp_path / "metrics.json", results)
    nested = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert list(nested["mvtec"]["bottle"]["utad"]) == ["0", "1"]
    assert nested["mvtec"]["cable"]["padim"]["0"] == evaluation.as_dict()


def test_the_table_has_means_over_seeds():
    evaluation = evaluate_outcomes(OUTCOMES, seconds=1)
    table = metrics_table([Result("d", "bottle", "utad", seed, evaluation) for seed in (0, 1)])
    assert "| bottle | utad | 0.833 ± 0.000 |" in table
