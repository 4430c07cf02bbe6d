"""Alignment from the training to the export: parts that lie askew are scored as if they lay straight."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from tests import fabricate
from tests.conftest import SHORTEST
from tests.data.test_alignment import moved, part
from utad import UTAD, load_detector
from utad.cli.app import app
from utad.errors import ConfigError, DatasetError
from utad.export.writing import export_detector
from utad.inputs import iterate_samples

SETTINGS = (*SHORTEST, "image.size=64", "image.channels=1", "scoring.components=[input,input-near]")
N_IMAGES = 12


def cast_part(seed: int):
    """A part whose surface is that of no other one."""
    image = part(seed)
    surface = gaussian_filter(np.random.default_rng(seed).normal(0, 1, image.shape[:2]), 4)
    return (image + 12 * (surface / surface.std())[..., None]).clip(0, 255).astype(np.uint8)


def askew(seed: int):
    """The same as a conveyor brings it, turned and shifted at random."""
    rng = np.random.default_rng(seed)
    angle, right, down = rng.uniform(-6, 6), rng.uniform(-10, 10), rng.uniform(-8, 8)
    return moved(cast_part(seed), angle=angle, right=right, down=down)[0]


def stamped(seed: int):
    """The same with a dark mark that does not belong there; and where it is, bool `(H, W)`."""
    image, mark = cast_part(seed), np.zeros_like(part())
    image[48:58, 100:110] = 20
    mark[48:58, 100:110] = 255
    motion = {"angle": 5.0, "right": 7.0, "down": -5.0}
    return moved(image, **motion)[0], moved(mark, **motion)[0][..., 0] > 128


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("askew")
    for seed in range(N_IMAGES):
        fabricate.save(folder / f"{seed:02d}.png", askew(seed))
    return folder


@pytest.fixture(scope="module")
def detector(photos):
    return UTAD(overrides=(*SETTINGS, "image.align=similarity")).fit(photos)


def test_an_image_has_the_score_of_the_same_one_that_lies_straight(detector):
    straight = cast_part(90)
    scores = [
        detector.predict(moved(straight, angle=angle, right=right)[0]).raw_score for angle, right in ((0, 0), (5, 8))
    ]
    assert scores[1] == pytest.approx(scores[0], rel=0.3)


def test_a_mark_is_found_where_the_image_has_it(detector):
    image, where = stamped(70)
    prediction = detector.predict(image)
    assert prediction.aligned
    assert prediction.pred_score > max(detector.predict(askew(seed)).pred_score for seed in range(60, 64))
    peak = np.unravel_index(int(prediction.anomaly_map.argmax()), where.shape)
    rows, columns = np.nonzero(where)
    assert abs(peak[0] - rows.mean()) < 18
    assert abs(peak[1] - columns.mean()) < 18


def test_what_cannot_be_registered_is_called_anomalous(detector):
    noise = np.random.default_rng(0).integers(0, 255, part().shape).astype(np.uint8)
    prediction = detector.predict(noise)
    assert prediction.aligned is False
    assert prediction.pred_label
    assert prediction.pred_score >= 1.0
    assert sum(prediction.shares.values()) == pytest.approx(prediction.pred_score, abs=1e-6)


def test_the_alignment_stays_with_model_and_exports(detector, tmp_path):
    detector.save(tmp_path / "m.safetensors")
    image, _ = stamped(71)
    found = detector.predict(image)
    assert UTAD.load(tmp_path / "m.safetensors").predict(image).pred_score == pytest.approx(found.pred_score, abs=1e-5)
    normal = list(iterate_samples([askew(seed) for seed in range(80, 84)]))
    manifest = export_detector(detector, tmp_path / "graph", graph_format="openvino", normal=normal)
    assert manifest.parity["score"] < 0.05
    exported = load_detector(tmp_path / "graph").predict(image)
    assert exported.aligned
    assert exported.pred_score == pytest.approx(found.pred_score, abs=0.02)
    assert np.abs(exported.anomaly_map - found.anomaly_map).max() < 0.05
    assert np.abs(exported.impression.astype(int) - found.impression).max() <= 2


def test_a_training_image_that_lies_otherwise_is_named(photos, tmp_path):
    for path in photos.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    fabricate.save(tmp_path / "wrong.png", 255 - part(1))
    untrained = UTAD(overrides=(*SETTINGS, "image.align=similarity"))
    with pytest.raises(DatasetError, match=r"wrong\.png does not lie as the other images do, by no similarity"):
        untrained.fit(tmp_path)
    assert untrained.fit(tmp_path, skip_bad=True).report_.n_skipped == 1


def test_tiles_are_cut_from_aligned_images(photos):
    tiled = UTAD(overrides=(*SETTINGS, "image.size=32", "image.align=translation", "image.tile=[64,16]")).fit(photos)
    image = moved(cast_part(95), right=9, down=4)[0]
    prediction = tiled.predict(image)
    assert prediction.aligned
    assert prediction.anomaly_map.shape == image.shape[:2]
    assert tiled.tiling.side == 64


def test_the_command_says_which_images_are_not_aligned(photos, detector, tmp_path):
    detector.save(tmp_path / "m.safetensors")
    fabricate.save(tmp_path / "new" / "askew.png", askew(99))
    fabricate.save(tmp_path / "new" / "wrong.png", 255 - part(1))
    arguments = ["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "new"), "--output", str(tmp_path / "p")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "p" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert {row["path"].rsplit("/")[-1]: row["aligned"] for row in map(json.loads, lines)} == {
        "askew.png": True,
        "wrong.png": False,
    }


def test_a_region_does_not_go_with_it():
    with pytest.raises(ConfigError, match=r"image\.align does not go with image\.roi"):
        UTAD(overrides=["image.align=translation", "image.roi=[0,0,0.5,1]"])
    assert "align" not in UTAD().config.model_dump(mode="json")["image"]
