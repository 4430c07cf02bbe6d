"""Tiles of a region of interest, from the training to the export: what lies outside of it changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.regional import outside_changed, same
from tests.tiled import SETTINGS, surface
from utad import UTAD
from utad.evaluation.evaluate import evaluate_method
from utad.export.writing import export_detector
from utad.loading import load_detector
from utad.types import Category, Sample

REGION = ("image.roi=[[0.1,0,1,1]]", "image.ignore=[[[0.5,0.5],[0.8,0.5],[0.8,0.95],[0.6,0.9]]]")
SIZE = (96, 160)
GOOD = [surface(*SIZE, seed=seed) for seed in range(10)]


def damaged(row: int, column: int, seed: int = 0) -> np.ndarray:
    """A texture with a bright square of 12 pixels."""
    pixels = surface(*SIZE, seed=seed)
    pixels[row : row + 12, column : column + 12] = 255
    return pixels


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiled-region") / "run"
    UTAD(overrides=[*SETTINGS, *REGION]).fit(GOOD, output=folder)
    return folder


@pytest.fixture(scope="module")
def detector(run) -> UTAD:
    return UTAD.load(run)


def test_training_learns_nothing_of_what_lies_outside(detector):
    other = UTAD(overrides=[*SETTINGS, *REGION])
    other.fit([outside_changed(image, detector.region, seed) for seed, image in enumerate(GOOD)])
    own, others = detector.network_.state_dict(), other.network_.state_dict()
    assert [name for name, tensor in own.items() if not torch.equal(tensor, others[name])] == []
    assert other.tiling == detector.tiling
    assert other.normal_scores == detector.normal_scores
    assert other.normal_images.thumbnails == detector.normal_images.thumbnails


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_lies_outside_changes_no_prediction(detector, dtype):
    scale = 257 if dtype == np.uint16 else 1
    for image in (surface(*SIZE, seed=30), damaged(20, 100, 31), surface(130, 217, seed=32)):
        image = image.astype(dtype) * scale
        one, other = detector.predict([image, outside_changed(image, detector.region)])
        inside = detector.region.inside(image.shape[:2])
        assert same(one, other)
        assert one.shares == other.shares
        assert np.array_equal(one.inside, inside)
        assert (one.anomaly_map[~inside] == one.anomaly_map[inside].min()).all()
        assert not one.pred_mask[~inside].any()


def test_a_defect_counts_inside_alone(detector):
    inside, ignored, beside = detector.predict([damaged(20, 100), damaged(60, 105), damaged(20, 2)])
    normal = detector.predict(GOOD[0])
    row, column = np.unravel_index(inside.anomaly_map.argmax(), SIZE)
    assert inside.pred_score > max(normal.pred_score, ignored.pred_score, beside.pred_score)
    assert 16 <= row < 36
    assert 96 <= column < 116
    assert ignored.pred_score == pytest.approx(normal.pred_score, abs=0.2)
    assert beside.pred_score == normal.pred_score


def test_metrics_count_pixels_inside(detector):
    mask = np.zeros(SIZE, bool)
    mask[60:72, 105:117] = True  # ignored
    samples = [Sample("good", surface(*SIZE, seed=40), anomalous=False)]
    samples += [Sample("bad", damaged(60, 105, 41), anomalous=True, mask=mask)]
    evaluation = evaluate_method(detector, Category("c", [], samples))
    assert evaluation.n_defects_outside == 1
    assert (evaluation.n_normal, evaluation.n_anomalous) == (2, 0)


@pytest.mark.parametrize("graph_format", ["onnx", "openvino"])
def test_exports_have_the_region(run, detector, graph_format, tmp_path):
    folder = tmp_path / graph_format
    export_detector(detector, folder, graph_format=graph_format)
    exported = load_detector(folder)
    for image in (damaged(20, 100, 31), surface(130, 217, seed=32), damaged(20, 100, 33).astype(np.uint16) * 257):
        own, other = detector.predict(image), exported.predict(image)
        assert other.raw_score == pytest.approx(own.raw_score, abs=1e-3)
        assert np.allclose(other.anomaly_map, own.anomaly_map, atol=1e-3)
        assert np.array_equal(other.inside, own.inside)
        changed = exported.predict(outside_changed(image, detector.region))
        assert changed.raw_score == other.raw_score


def test_the_impression_is_of_the_region(detector):
    image = damaged(20, 100)
    impression = detector.predict(image).pictures["impression"]
    outside = ~detector.region.inside(SIZE)
    assert impression.shape == image.shape
    assert (impression[outside] == detector.region.fill).all()
