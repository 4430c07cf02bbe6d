from __future__ import annotations

import pytest
import torch

from utad.config import ScoringConfig, load_config
from utad.data.subsets import fold_indices
from utad.data.working_region import WorkingRegion
from utad.errors import ConfigError
from utad.models.two_stage import ALL_IMAGES, Images
from utad.scoring.components import feature_vectors
from utad.scoring.image_scores import PartsScale
from utad.scoring.measurement import (
    CalibratedMeasurement,
    Measured,
    PaperMeasurement,
    build_measurement,
)
from utad.scoring.perceptual import EQ_8, perceptual_measurement


def features(count: int, seed: int = 0, size: int = 16) -> list[Images]:
    generator = torch.Generator().manual_seed(seed)
    return [
        {name: torch.randn(count, 4, size >> level, size >> level, generator=generator) for name in ALL_IMAGES}
        for level in range(3)
    ]


def built(*components: str, mapped: tuple[str, ...] = (), fractions: str = "[0.05, 0.2]") -> CalibratedMeasurement:
    overrides = [f"scoring.components=[{','.join(components)}]", f"scoring.top_fractions={fractions}"]
    overrides.append(f"scoring.map_components=[{','.join(mapped)}]")
    measurement = build_measurement(load_config(overrides=overrides))
    assert isinstance(measurement, CalibratedMeasurement)
    return measurement


def fit(measurement: CalibratedMeasurement, count: int, size: int = 16) -> Measured:
    return measurement.fit(measurement.collect(features(count, size=size), size), size, None)


def with_defect(strength: float, size: int = 16) -> list[Images]:
    stages = features(1, seed=9, size=size)
    for level, stage in enumerate(stages):
        side = size >> level
        stage["image"][:, :, side // 4 : side // 2, side // 4 : side // 2] += strength
    return stages


def test_an_unknown_component_is_named():
    with pytest.raises(ConfigError, match="components: unknown component 'gradient', choose from input, "):
        built("input", "gradient")
    with pytest.raises(ConfigError, match="map_components: unknown component 'gradient'"):
        built("input", mapped=("gradient",))
    with pytest.raises(ConfigError, match="map_components: whole looks at the image as a whole and has no map"):
        built("input", mapped=("whole",))


def test_the_map_comes_from_components_of_its_own_and_the_score_from_the_others():
    alone = {name: built(name) for name in ("input", "input-fine")}
    both = built("input", mapped=("input-fine",))
    for measurement in (*alone.values(), both):
        fit(measurement, 12)
    stages = with_defect(2.0)
    measured = both(stages, 16)
    score, anomaly_map = (alone[name](stages, 16) for name in ("input", "input-fine"))
    torch.testing.assert_close(measured.score, score.score)
    torch.testing.assert_close(measured.anomaly_map, anomaly_map.anomaly_map)
    assert not torch.allclose(measured.anomaly_map, score.anomaly_map)
    assert list(measured.component_maps) == ["input", "input-fine"]
    # What has no part of the score is not among its parts.
    torch.testing.assert_close(measured.score_parts, {"input": score.score})


def test_only_the_images_that_components_look_at_are_needed():
    assert built("input", "whole").compared == ("image",)
    assert built("residual").compared == ("image", "reconstruction")
    assert built("input", "naive").compared == ("image", "impression", "naive_impression")
    paper = PaperMeasurement(ScoringConfig(method="paper", pairs=("x - m",)))
    assert paper.compared == ("image", "impression")


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
    assert tuple(measured.component_maps) == EQ_8
    torch.testing.assert_close(sum(measured.component_maps.values()), measured.anomaly_map)


def test_normals_that_were_left_out_have_mean_zero_and_deviation_one_on_each_component():
    measurement = built("residual", fractions="[0.1]")
    measured = fit(measurement, 40)
    assert float(measured.score.mean()) == pytest.approx(0, abs=1e-4)
    assert float(measured.score.std(unbiased=False)) == pytest.approx(1, abs=1e-3)


def test_calibration_does_not_depend_on_the_order_within_what_each_fold_holds():
    measurement, reordered = built("residual", "input"), built("residual", "input")
    vectors = measurement.collect(features(40), 16)
    # Runs of two keep their folds when they swap places inside themselves.
    order = torch.arange(40).reshape(20, 2).flip(1).reshape(-1)
    one = measurement.fit(dict(vectors), 16, None)
    other = reordered.fit({name: value[order] for name, value in vectors.items()}, 16, None)
    torch.testing.assert_close(one.score[order], other.score, rtol=1e-3, atol=1e-4)


def test_unseen_normals_score_as_the_left_out_ones():
    measurement = built("residual")
    fit(measurement, 200)
    unseen = measurement(features(200, seed=5), 16)
    assert abs(float(unseen.score.median())) < 1.0


def test_scores_rise_with_the_strength_of_a_defect():
    measurement = built("residual", "input", "neighbours")
    fit(measurement, 40)
    scores = [float(measurement(with_defect(strength), 16).score) for strength in (0.0, 1.0, 2.0, 4.0, 8.0)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 3


def test_the_map_is_highest_where_the_defect_is():
    measurement = built("residual", "input")
    fit(measurement, 40, 64)
    row, column = divmod(int(measurement(with_defect(8.0, size=64), 64).anomaly_map.argmax()), 64)
    assert 16 <= row < 32
    assert 16 <= column < 32


def test_what_says_only_whether_lifts_the_score_and_not_the_map():
    measurement = built("input", "whole")
    fit(measurement, 40, 64)
    measured = measurement(with_defect(8.0, size=64), 64)
    torch.testing.assert_close(measured.anomaly_map, measured.component_maps["input"])
    assert float(measured.component_maps["whole"].std()) == pytest.approx(0, abs=1e-4)
    assert float(measured.component_maps["whole"].max()) > 3


def test_a_component_without_information_takes_no_more_than_its_share():
    # "naive" sees nothing of the defect. The score is an average: what the other component says is halved at the worst.
    alone, both = built("input"), built("input", "naive")
    for measurement in (alone, both):
        fit(measurement, 60)
    gain = [float(m(with_defect(8.0), 16).score - m(with_defect(0.0), 16).score) for m in (alone, both)]
    assert gain[1] == pytest.approx(gain[0] / 2, rel=1e-3)


def test_an_image_alone_measures_as_in_a_batch():
    measurement = built("residual", "input", "neighbours")
    fit(measurement, 30)
    stages = features(4, seed=2)
    together = measurement(stages, 16)
    one = [{name: maps[2:3] for name, maps in stage.items()} for stage in stages]
    torch.testing.assert_close(measurement(one, 16).score[0], together.score[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["paper", "calibrated"])
def test_the_parts_of_the_score_add_up_to_it(method):
    measurement = PaperMeasurement(ScoringConfig(method="paper")) if method == "paper" else built("input", "naive")
    if method == "calibrated":
        fit(measurement, 12)
    measured = measurement(features(3, seed=5), 16)
    assert tuple(measured.score_parts) == measurement.component_names
    torch.testing.assert_close(torch.stack(list(measured.score_parts.values())).sum(dim=0), measured.score)


def test_parts_on_another_scale_are_what_that_makes_of_them():
    measurement = built("input", "naive", mapped=("input-fine",))
    fit(measurement, 12)
    before = measurement(features(3, seed=5), 16)
    scale = PartsScale(torch.tensor([0.3, -0.1]), torch.tensor([0.5, 0.125]))
    measurement.rescale_scores(*scale)
    after = measurement(features(3, seed=5), 16)
    expected = scale.of(torch.stack(list(before.score_parts.values()), dim=1))
    torch.testing.assert_close(torch.stack(list(after.score_parts.values()), dim=1), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after.score, expected.sum(dim=1), rtol=1e-4, atol=1e-4)
    assert torch.equal(after.anomaly_map, before.anomaly_map)


def test_of_a_region_eq_8_is_scored_inside_alone():
    coverage = torch.zeros(16, 16)
    coverage[4:12, 2:8] = 1
    region = WorkingRegion(coverage, torch.zeros(1, 1, 1))
    config = load_config(overrides=["scoring.method=paper", "scoring.top_fractions=[0.1, 0.5]"])
    whole, inside = build_measurement(config)(features(3), 16), build_measurement(config, region)(features(3), 16)
    assert torch.equal(inside.anomaly_map, whole.anomaly_map)
    values = whole.anomaly_map[:, coverage > 0].sort(dim=1, descending=True).values  # (3, 48)
    expected = (values[:, :5].mean(dim=1) + values[:, :24].mean(dim=1)) / 2
    torch.testing.assert_close(inside.score, expected)
    torch.testing.assert_close(torch.stack(list(inside.score_parts.values())).sum(dim=0), inside.score)
    assert build_measurement(config, region).state_dict() == {}


def test_without_its_fold_an_image_has_no_part_in_what_it_is_measured_by():
    """An odd one among few normal images makes itself look more normal, unless it is left out altogether."""
    measurement = built("input", fractions="[0.05]")
    stages = features(12)
    for level, stage in enumerate(stages):
        stage["image"][3, :, (8 >> level) :, (8 >> level) :] += 4.0
    folds = fold_indices(12, 4)
    collected = measurement.collect(stages, 16)
    measurement.fit(collected, 16, None, folds)
    odd = [{name: maps[3:4] for name, maps in stage.items()} for stage in stages]
    parts = measurement.parts_without_fold(odd, 16, int(folds[3]), None)
    assert parts.shape == (1, 1)
    component = measurement.get_submodule("components.input")
    mean, deviation = component.standardisation.of_images.flatten().tolist()
    highest = float(component.without_fold(odd, int(folds[3])).max())
    # Of 4 x 4 positions 5 % are the highest one; both scores have one scale.
    assert float(parts) * deviation + mean == pytest.approx(highest, rel=1e-5)
    # Its own part in the standardisation would take most of that away, however the distance was fitted.
    distance, _ = component._of_folds[int(folds[3])]
    by_all = component.standardisation.of_map(distance(feature_vectors(component.spec, odd)))
    assert highest > 2 * float(by_all.max())
