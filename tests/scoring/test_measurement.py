from __future__ import annotations

import pytest
import torch

from utad.config import ScoringConfig, load_config
from utad.errors import ConfigError
from utad.scoring.features import StageFeatures
from utad.scoring.measurement import (
    CalibratedMeasurement,
    PaperMeasurement,
    build_measurement,
    fold_indices,
)
from utad.scoring.perceptual import EQ_8, perceptual_measurement
from utad.scoring.terms import term_vectors


def features(count: int, seed: int = 0, size: int = 16) -> list[StageFeatures]:
    generator = torch.Generator().manual_seed(seed)
    return [
        StageFeatures(*(torch.randn(count, 4, size >> level, size >> level, generator=generator) for _ in range(4)))
        for level in range(3)
    ]


def calibrated(*terms: str, fractions: str = "[0.05, 0.2]") -> CalibratedMeasurement:
    overrides = [f"scoring.terms=[{','.join(terms)}]", f"scoring.top_fractions={fractions}"]
    measurement = build_measurement(load_config(overrides=overrides))
    assert isinstance(measurement, CalibratedMeasurement)
    return measurement


def vectors_of(measurement: CalibratedMeasurement, stages: list[StageFeatures]) -> dict[str, torch.Tensor]:
    return {name: term_vectors(name, stages) for name in measurement.vector_names}


def with_defect(strength: float, size: int = 16) -> list[StageFeatures]:
    stages = features(1, seed=9, size=size)
    for level, stage in enumerate(stages):
        side = size >> level
        stage.image[:, :, side // 4 : side // 2, side // 4 : side // 2] += strength
    return stages


def test_an_unknown_term_is_named():
    with pytest.raises(ConfigError, match="unknown term 'gradient'"):
        calibrated("input", "gradient")


def test_folds_are_short_runs_that_take_turns():
    assert fold_indices(40, 5).tolist() == [i // 2 % 5 for i in range(40)]
    assert fold_indices(3, 5).tolist() == [0, 1, 2]
    counts = torch.bincount(fold_indices(441, 5))
    assert len(counts) == 5
    assert int(counts.max() - counts.min()) <= 8


def test_paper_measurement_is_equation_8():
    measurement = PaperMeasurement(ScoringConfig(method="paper"))
    stages = features(2)
    measured = measurement(stages, 16)
    torch.testing.assert_close(measured.anomaly_map, perceptual_measurement(stages, 16))
    assert tuple(measured.term_maps) == EQ_8
    torch.testing.assert_close(sum(measured.term_maps.values()), measured.anomaly_map)


def test_normals_that_were_left_out_have_mean_zero_and_spread_one_on_each_term():
    measurement = calibrated("residual", fractions="[0.1]")
    measured = measurement.fit(vectors_of(measurement, features(40)), 16)
    assert float(measured.score.mean()) == pytest.approx(0, abs=1e-4)
    assert float(measured.score.std(unbiased=False)) == pytest.approx(1, abs=1e-3)


def test_calibration_does_not_depend_on_the_order_within_what_each_fold_holds():
    measurement, reordered = calibrated("residual", "input"), calibrated("residual", "input")
    vectors = vectors_of(measurement, features(40))
    # Runs of two keep their folds when they swap places inside themselves.
    order = torch.arange(40).reshape(20, 2).flip(1).reshape(-1)
    one = measurement.fit(vectors, 16)
    other = reordered.fit({name: value[order] for name, value in vectors.items()}, 16)
    torch.testing.assert_close(one.score[order], other.score, rtol=1e-3, atol=1e-4)


def test_unseen_normals_score_as_the_left_out_ones():
    measurement = calibrated("residual")
    measurement.fit(vectors_of(measurement, features(200)), 16)
    unseen = measurement(features(200, seed=5), 16)
    assert abs(float(unseen.score.median())) < 1.0


def test_scores_rise_with_the_strength_of_a_defect():
    measurement = calibrated("residual", "input", "neighbours")
    measurement.fit(vectors_of(measurement, features(40)), 16)
    scores = [float(measurement(with_defect(strength), 16).score) for strength in (0.0, 1.0, 2.0, 4.0, 8.0)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 3


def test_the_map_is_highest_where_the_defect_is():
    measurement = calibrated("residual", "input")
    measurement.fit(vectors_of(measurement, features(40, size=64)), 64)
    row, column = divmod(int(measurement(with_defect(8.0, size=64), 64).anomaly_map.argmax()), 64)
    assert 16 <= row < 32
    assert 16 <= column < 32


def test_what_says_only_whether_lifts_the_score_and_not_the_map():
    measurement = calibrated("input", "whole")
    measurement.fit(vectors_of(measurement, features(40, size=64)), 64)
    measured = measurement(with_defect(8.0, size=64), 64)
    torch.testing.assert_close(measured.anomaly_map, measured.term_maps["input"])
    assert float(measured.term_maps["whole"].std()) == pytest.approx(0, abs=1e-4)
    assert float(measured.term_maps["whole"].max()) > 3


def test_a_term_without_information_takes_no_more_than_its_share():
    # "naive" sees nothing of the defect: the score is an average, so what the other term says is halved at the worst.
    alone, both = calibrated("input"), calibrated("input", "naive")
    for measurement in (alone, both):
        measurement.fit(vectors_of(measurement, features(60)), 16)
    gain = [float(m(with_defect(8.0), 16).score - m(with_defect(0.0), 16).score) for m in (alone, both)]
    assert gain[1] == pytest.approx(gain[0] / 2, rel=1e-3)


def test_an_image_alone_measures_as_in_a_batch():
    measurement = calibrated("residual", "input", "neighbours")
    measurement.fit(vectors_of(measurement, features(30)), 16)
    stages = features(4, seed=2)
    together = measurement(stages, 16)
    one = [
        StageFeatures(*(t[2:3] for t in (s.image, s.reconstruction, s.impression, s.naive_impression))) for s in stages
    ]
    torch.testing.assert_close(measurement(one, 16).score[0], together.score[2], rtol=1e-4, atol=1e-4)
