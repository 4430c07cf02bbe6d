"""Parts that lie alike, cut into tiles: each place of the grid has statistics of its own, in every export too."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tests.tiled import SETTINGS
from utad import UTAD
from utad.data.tiling import Layout
from utad.export.manifest import Format
from utad.export.writing import export_detector
from utad.loading import load_detector
from utad.types import Image, Sample

SIDE = 48
OVERRIDES = (*SETTINGS, "image.tile=[48,0]", "scoring.components=[input-fine]", "calibration.synthetic_anomalies=0")
N_IMAGES = 60


def part(seed: int, *, pattern: str = "rows columns") -> Image:
    """Two tiles side by side, `(48, 96, 3)` uint8: grooves along the rows, and others along the columns."""
    rng = np.random.default_rng(seed)
    across = np.arange(SIDE)
    tiles = {
        "rows": np.repeat(np.sin(across / 2)[:, None], SIDE, axis=1),
        "columns": np.repeat(np.sin(across / 2)[None], SIDE, axis=0),
    }
    pixels = 120 + 60 * np.concatenate([tiles[name] for name in pattern.split()], axis=1)
    pixels += 8 * gaussian_filter(rng.normal(0, 1, pixels.shape), 1.0) + rng.normal(0, 4, pixels.shape)
    return np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


GOOD = [part(seed) for seed in range(N_IMAGES)]


def trained(*overrides: str) -> UTAD:
    return UTAD(overrides=[*OVERRIDES, *overrides]).fit(GOOD, graph=False)


@pytest.fixture(scope="module")
def detector() -> UTAD:
    return trained()


def test_what_is_normal_elsewhere_stands_out_by_its_place_alone(detector):
    """Both halves show grooves that are normal at the other one: to statistics of all tiles nothing is wrong."""
    blind = trained("image.tile={side: 48, overlap: 0, places: false}")
    assert detector.tiling.layout == Layout(1, 2)
    assert blind.tiling.layout is None
    swapped = part(90, pattern="columns rows")
    normal = [part(100 + index) for index in range(12)]
    spread = {}
    for name, one in (("places", detector), ("all", blind)):
        scores = np.array([prediction.pred_score for prediction in one.predict(normal)])
        spread[name] = (one.predict(swapped).pred_score - np.median(scores)) / scores.std()
    assert spread["places"] > 8
    assert spread["all"] < 3
    assert detector.predict(swapped).pred_label


def test_half_a_part_that_shows_the_other_half_is_marked_there(detector):
    prediction = detector.predict(part(91, pattern="rows rows"))
    wrong, right = prediction.anomaly_map[:, SIDE + 8 : -8], prediction.anomaly_map[:, 8 : SIDE - 8]
    assert wrong.min() > right.max()


def test_normal_parts_keep_their_rate(detector):
    scores = [prediction.pred_score for prediction in detector.predict([part(200 + index) for index in range(20)])]
    assert np.mean(np.array(scores) > 0.5) <= 0.1


def test_in_an_image_of_another_grid_either_pattern_is_normal(detector):
    """Three tiles: nobody knows their places, and both patterns have the statistics of all tiles."""
    other = detector.predict(np.concatenate([part(92, pattern="columns rows"), part(93)[:, :SIDE]], axis=1))
    swapped = detector.predict(part(92, pattern="columns rows"))
    assert other.pred_score < 0.5 < swapped.pred_score


def test_a_model_file_has_the_places(detector, tmp_path):
    detector.save(tmp_path / "model", graph=False)
    stored = UTAD.load(tmp_path / "model")
    assert stored.tiling == detector.tiling
    for image in (part(94), part(95, pattern="columns rows")):
        assert stored.predict(image).pred_score == detector.predict(image).pred_score


@pytest.fixture(scope="module")
def exported(detector, tmp_path_factory):
    """The folders by their format, each written when it is first asked for."""

    @cache
    def written(graph_format: Format) -> Path:
        folder = tmp_path_factory.mktemp("placed") / graph_format
        export_detector(detector, folder, graph_format=graph_format)
        return folder

    return lambda graph_format: load_detector(written(graph_format))


@pytest.mark.parametrize("graph_format", ["onnx", "openvino"])
def test_a_graph_takes_the_places(detector, exported, graph_format):
    exported = exported(graph_format)
    wide = np.concatenate([part(96), part(97)], axis=1)
    images = [part(94), part(95, pattern="columns rows"), wide, part(98).astype(np.uint16) * 257]
    for one, other in zip(detector.predict(images), exported.predict(images), strict=True):
        assert other.pred_score == pytest.approx(one.pred_score, rel=1e-3, abs=5e-4)
        np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-3, atol=5e-3)
        for name, values in one.component_maps.items():
            np.testing.assert_allclose(other.component_maps[name], values, rtol=1e-3, atol=1e-2)
        assert np.abs(other.pictures["impression"].astype(int) - one.pictures["impression"]).max() <= 2


def test_batches_that_are_filled_up_keep_their_places(detector, exported):
    """Streams of OpenVINO compute batches of one size, the last of which is filled with tiles of some place."""
    graph = exported("openvino").engine.engine._graph
    grid = detector.tiling.grid((SIDE, 2 * SIDE))
    tiles = np.stack([tile for seed in (100, 101) for tile in grid.cut(part(seed))][:3])
    assert len(tiles) < graph.max_batch
    for places in ([0, 1, 0], [1, 0, 1]):
        alone, filled = (
            graph.run(tiles, ("raw_score",), places=np.array(places), concurrent=concurrent)["raw_score"]
            for concurrent in (False, True)
        )
        np.testing.assert_allclose(filled, alone, rtol=1e-4, atol=1e-4)
        # What is at home in its place scores lower than what is not.
        assert (alone > 5).all() == (places == [1, 0, 1])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_rounded_graphs_take_the_places_too(detector, precision, tmp_path):
    folder = tmp_path / precision
    normal = [Sample(str(index), image) for index, image in enumerate(GOOD)]
    export_detector(detector, folder, graph_format="openvino", precision=precision, normal=normal)
    exported = load_detector(folder)
    good, swapped = exported.predict([part(94), part(95, pattern="columns rows")])
    assert swapped.pred_score > good.pred_score + 0.3


def test_eq_8_has_no_statistics_and_so_none_of_places():
    assert trained("scoring.method=paper", "scoring.space=pixels").tiling.layout is None


def test_images_that_tell_their_places_apart_are_needed():
    """Of two grids in training none has statistics of its own."""
    wide = [np.concatenate([part(50 + index), part(60 + index)[:, :SIDE]], axis=1) for index in range(4)]
    mixed = UTAD(overrides=OVERRIDES).fit([*GOOD[:16], *wide], graph=False)
    assert mixed.tiling.layout is None
    assert replace(mixed.tiling, growth=0.0).grid((48, 96)).layout == Layout(1, 2)
