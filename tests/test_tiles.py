"""Tiles from the training to the export: one detector of tiles that answers for whole images."""

from __future__ import annotations

import json
import logging

import numpy as np
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

from tests import fabricate
from tests.explained import NAMES
from tests.tiled import SETTINGS, surface
from utad import UTAD
from utad.cli.app import app
from utad.evaluation.smallest_defect import measure_smallest_defect
from utad.fitting import held_out_of
from utad.loading import load_detector
from utad.tiled_engine import TiledEngine
from utad.training_data import load_training_data
from utad.types import Sample

SIZE = (96, 128)
"""Of an image, with 2 rows and 3 columns of tiles."""

N_IMAGES = 10


def utad(*arguments: object) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def damaged(seed: int = 0) -> np.ndarray:
    """A texture with a bright square of 14 pixels."""
    pixels = surface(seed=seed)
    pixels[50:64, 90:104] = 255
    return pixels


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of normal images, the fifth of which has a square."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(N_IMAGES):
        fabricate.save(folder / f"{index:02d}.png", damaged(index) if index == 4 else surface(seed=index))
    return folder


@pytest.fixture(scope="module")
def training(photos, tmp_path_factory):
    """A run, what `utad train --json` says of it, and the log."""
    folder = tmp_path_factory.mktemp("tiled") / "run"
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("utad").addHandler(handler)
    try:
        report = json.loads(utad("train", photos, "--output", folder, *settings, "--json"))
    finally:
        logging.getLogger("utad").removeHandler(handler)
    return folder, report, "\n".join(lines)


@pytest.fixture(scope="module")
def run(training):
    return training[0]


@pytest.fixture(scope="module")
def detector(run) -> UTAD:
    return UTAD.load(run)


@pytest.fixture(scope="module")
def of_normals_alone() -> UTAD:
    """The same without the square, which among so few images leaves its trace at its position in a tile."""
    return UTAD(overrides=SETTINGS).fit([surface(seed=index) for index in range(N_IMAGES)], graph=False)


def test_training_says_what_it_learns_from_and_reports_whole_images(training, detector):
    _, report, log = training
    assert (report["n_images"], report["n_tiles"], report["n_held_out"]) == (10, 60, 2)
    assert report["unusual"][0]["name"] == "04.png"
    assert (
        "learning from 60 of the 60 tiles of 10 images, of 64 pixels a side; the threshold is set on 10 whole images "
        "with 60 tiles; this takes roughly"
    ) in log
    assert len(detector.normal_scores) == len(detector.trained_on) == 10
    assert detector.tiling.area == pytest.approx(96 * 128 / 64**2)


def test_tiles_of_an_image_are_on_one_side_of_every_split(photos):
    config = UTAD(overrides=SETTINGS).config
    tiles = load_training_data(photos, config, skip_bad=False, progress=False).tiles
    held_out = held_out_of(60, config.calibration.held_out, tiles)
    by_image = held_out.view(10, 6)
    assert torch.equal(by_image.any(dim=1), by_image.all(dim=1))
    assert by_image.any(dim=1).nonzero().flatten().tolist() == [4, 5]


def test_a_model_file_has_the_tiles(run, detector):
    assert isinstance(detector.engine, TiledEngine)
    assert (detector.tiling.side, detector.tiling.overlap) == (64, 16)
    assert detector.tiling.growth > 0
    assert detector.tiling.by_component
    fitted = UTAD.load(run).predict(damaged(30))
    assert fitted.pred_score == detector.predict(damaged(30)).pred_score


def test_a_defect_is_found_at_its_place_and_the_shares_add_up(of_normals_alone):
    normal, defective = of_normals_alone.predict([surface(seed=40), damaged(41)])
    assert defective.pred_score > normal.pred_score
    row, column = np.unravel_index(defective.anomaly_map.argmax(), SIZE)
    assert 44 <= row < 70
    assert 84 <= column < 110
    for prediction in (normal, defective):
        assert sum(prediction.shares.values()) == pytest.approx(prediction.pred_score, abs=1e-6)
        assert prediction.anomaly_map.shape == SIZE
        assert all(prediction.pictures[name].shape == (*SIZE, 3) for name in NAMES)
        assert prediction.pred_mask.any() == prediction.pred_label


@pytest.mark.parametrize("size", [(64, 64), (10, 200), (1, 1), (333, 50), (97, 129)])
def test_images_of_any_size_are_scored(detector, size):
    prediction = detector.predict(surface(*size, seed=1))
    assert prediction.anomaly_map.shape == size
    assert np.isfinite(prediction.pred_score)


@pytest.mark.parametrize("shift", [4, 8, 24])
def test_a_shift_of_the_grid_hardly_moves_the_map(detector, shift):
    """The same pixels, cut at other places: their map moves by a third of the way from typical to the limit of 0.5."""
    whole = surface(240, 240, seed=50)
    whole[90:104, 120:134] = 255
    inner = np.s_[32:-32, 32:-32]  # at the border of an image there is no second tile
    reference = detector.predict(whole).anomaly_map[shift:, shift:][inner]
    moved = detector.predict(whole[shift:, shift:]).anomaly_map[inner]
    assert np.abs(moved - reference).mean() < 0.5 / 3
    assert np.corrcoef(moved.ravel(), reference.ravel())[0, 1] > 0.8


def test_there_are_no_seams(of_normals_alone):
    """The step from one pixel to the next is no larger where a tile begins or ends than elsewhere."""
    detector = of_normals_alone
    predictions = detector.predict([surface(192, 256, seed=51 + index) for index in range(6)])
    steps = np.mean([np.abs(np.diff(one.anomaly_map, axis=1)).mean(axis=0) for one in predictions], axis=0)
    starts = [start for start in detector.tiling.grid((192, 256)).columns.starts if start]
    borders = np.array([start - 1 for start in starts] + [start + 63 for start in (0, *starts[:-1])])
    # Between the same positions of the map, 8 pixels apart, of which it is interpolated.
    others = np.setdiff1d(np.arange(7, 255, 8), borders)
    assert (borders % 8 == 7).all()
    assert steps[borders].mean() < 1.1 * steps[others].mean()


def test_scores_do_not_grow_with_the_size_of_images(detector):
    """Nine times the area moves the typical normal score by less than half of the way to the threshold."""
    typical = [
        np.median([detector.predict(surface(rows, columns, seed=100 + index)).pred_score for index in range(8)])
        for rows, columns in (SIZE, (3 * SIZE[0], 3 * SIZE[1]))
    ]
    assert abs(typical[1] - typical[0]) < 0.25


def test_the_most_similar_normal_images_are_tiles(detector):
    explanation = detector.explain(damaged(60), neighbours=3)
    assert len(explanation.neighbours) == 3
    assert all(" at " in neighbour.name for neighbour in explanation.neighbours)
    assert sum(explanation.shares.values()) == pytest.approx(explanation.prediction.pred_score, abs=1e-6)


def test_an_export_cuts_and_stitches_likewise(run, detector):
    exported = load_detector(run / "openvino")
    assert exported.tiling == detector.tiling
    images = [surface(seed=70), damaged(71), surface(150, 60, seed=72), surface(20, 20, seed=73)]
    for one, other in zip(detector.predict(images), exported.predict(images), strict=True):
        assert other.pred_score == pytest.approx(one.pred_score, rel=1e-3, abs=5e-4)
        assert other.raw_score == pytest.approx(one.raw_score, rel=1e-3, abs=5e-4)
        assert other.pred_label == one.pred_label
        assert other.shares == pytest.approx(one.shares, rel=1e-3, abs=5e-4)
        assert sum(other.shares.values()) == pytest.approx(other.pred_score, abs=1e-6)
        np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-3, atol=5e-3)
        assert list(other.component_maps) == list(one.component_maps)
        for name, values in one.component_maps.items():
            np.testing.assert_allclose(other.component_maps[name], values, rtol=1e-3, atol=1e-2)
        for name in NAMES:
            assert (
                int(np.abs(other.pictures[name].astype(int) - one.pictures[name]).max()) <= 2
            )  # two tiles differ by 1


def test_the_graph_beside_a_model_takes_tiles_of_16_bits(run, detector):
    beside = load_detector(run)
    assert beside.tiling == detector.tiling
    deep = damaged(80).astype(np.uint16) * 256 + 3
    one, other = detector.predict(deep), beside.predict(deep)
    assert other.pred_score == pytest.approx(one.pred_score, rel=1e-3, abs=5e-4)
    np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-3, atol=1e-2)


def test_by_eq_8_an_image_has_the_score_of_its_highest_tile():
    settings = [*SETTINGS, "scoring.method=paper", "scoring.space=pixels"]
    made = UTAD(overrides=settings).fit([surface(seed=index) for index in range(8)], graph=False)
    assert not made.tiling.by_component
    image = damaged(90)
    tiles = made.engine.engine.run(made.tiling.grid(SIZE).cut(image))
    highest = max(tiles, key=lambda tile: tile.raw_score)
    prediction = made.predict(image)
    assert prediction.raw_score == pytest.approx(highest.raw_score, rel=1e-5)
    assert prediction.shares == pytest.approx(highest.shares, rel=1e-5)


def test_the_manifest_of_an_export_says_how_to_cut(run):
    manifest = json.loads((run / "openvino" / "manifest.json").read_text())
    assert set(manifest["tiling"]) == {"side", "overlap", "area", "growth", "by_component"}
    assert manifest["tiling"]["by_component"]
    assert manifest["slope"] > 0


def test_a_new_calibration_holds_for_whole_images(detector, run, tmp_path):
    other = UTAD.load(run)
    normal = [surface(seed=200 + index) for index in range(12)]
    other.calibrate(normal, fpr=0.2)
    scores = np.array([prediction.pred_score for prediction in other.predict(normal)])
    assert (scores > 0.5).mean() <= 0.25
    assert sum(other.predict(damaged(90)).shares.values()) == pytest.approx(
        other.predict(damaged(90)).pred_score, abs=1e-6
    )
    other.undo_calibration()
    assert other.predict(normal[0]).pred_score == detector.predict(normal[0]).pred_score


def test_the_commands(run, photos, tmp_path):
    utad("predict", run, photos, "--output", tmp_path / "predictions", "--save", "maps,masks,impressions")
    with PIL.Image.open(tmp_path / "predictions" / "maps" / "04.png") as heat:
        assert heat.size == SIZE[::-1]
    utad("explain", run, photos / "04.png", "--output", tmp_path / "explained")
    data = fabricate.normal_abnormal(tmp_path / "data", n_normal=4, n_abnormal=3)
    evaluated = json.loads(utad("evaluate", run, data, "--output", tmp_path / "evaluation", "--json"))
    assert 0.0 <= evaluated["image"]["auroc"] <= 1.0
    known = json.loads(
        utad("doctor", run, "--normal", photos, "--sizes", "8", "--contrasts", "50", "--images", "1", "--json")
    )
    assert known["tile"] == 64
    assert known["smallest_defect"]["image_size"] == list(SIZE)


def test_defects_to_plant_are_parts_of_a_tile(detector):
    found = measure_smallest_defect(detector, [Sample("one", surface(128, 256))], contrasts=[0.5], n_images=1)
    assert [one.size for one in found.recalls if one.shape == "spot"] == [1, 2, 3, 5, 8, 13]
