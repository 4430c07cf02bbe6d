from __future__ import annotations

import copy
import math
import os
import pickle
import random
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import fabricate
from tests.conftest import SHORTEST, TINY
from utad import UTAD, Category, Sample, load_config
from utad.data import open_category
from utad.data.subsets import held_out_block
from utad.errors import (
    ConfigError,
    DataError,
    DatasetError,
    ImageReadError,
    InputError,
    NotFittedError,
    OutputError,
    TrainingError,
)
from utad.report.training_page import training_page

PIXELS = fabricate.picture(50, 70, seed=77)


def scores(detector: UTAD, images) -> list[float]:
    return [prediction.raw_score for prediction in detector.predict(images)]


def test_same_seed_same_scores_zero_included(parts, run, detector):
    again = UTAD(overrides=TINY, seed=0).fit(parts)
    images = [fabricate.picture(64, 64, seed=seed) for seed in range(3)]
    assert scores(again, images) == scores(detector, images)
    other = UTAD(overrides=TINY, seed=1).fit(parts)
    assert scores(other, images) != scores(detector, images)


def test_saving_and_loading_changes_nothing(detector, tmp_path):
    detector.threshold = 0.7
    detector.save(tmp_path / "näher.safetensors")
    loaded = UTAD.load(tmp_path / "näher.safetensors")
    one, other = detector.predict(PIXELS), loaded.predict(PIXELS)
    assert (one.pred_score, one.threshold) == (other.pred_score, other.threshold)
    assert np.array_equal(one.anomaly_map, other.anomaly_map)
    assert np.array_equal(one.reconstruction, other.reconstruction)
    assert loaded.config == detector.config


@pytest.mark.parametrize("again", [copy.deepcopy, lambda detector: pickle.loads(pickle.dumps(detector))])
def test_copies_score_the_same(detector, again):
    assert scores(again(detector), [PIXELS]) == scores(detector, [PIXELS])


def test_the_network_cannot_be_replaced_under_the_detector(detector):
    with pytest.raises(AttributeError):
        detector.network_ = None


def test_a_change_of_the_network_shows_in_the_next_score(detector):
    before = scores(detector, [PIXELS])
    with torch.no_grad():
        detector.network_.two_stage.ie_net.decoder.to_image[0].bias.add_(1.0)
    assert scores(detector, [PIXELS]) != before


@pytest.mark.parametrize("given", [{"seed": 7}, {"preset": "fast"}, {"overrides": ["image.size=64"]}])
def test_a_config_with_any_other_setting_is_refused(given):
    with pytest.raises(ConfigError, match=f"got config together with {next(iter(given))}"):
        UTAD(config=load_config(), **given)
    assert UTAD(config=load_config(seed=7)).config.seed == 7


def test_it_computes_on_the_device_that_it_is_told(run):
    assert next(UTAD.load(run, device="cpu").network_.parameters()).device.type == "cpu"
    assert next(UTAD.load(run, device="meta").network_.parameters()).device.type == "meta"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_is_forked_off_after_a_prediction_answers(run):
    # In a process of its own: the parent has to have computed with two threads.
    program = (
        "import sys, multiprocessing, numpy as np\n"
        "from utad import UTAD\n"
        "detector, image = UTAD.load(sys.argv[1]), np.full((96, 96), 70, np.uint8)\n"
        "score = detector.predict(image).pred_score\n"
        "context = multiprocessing.get_context('fork'); answers = context.Queue()\n"
        "child = context.Process(target=lambda: answers.put(detector.predict(image).pred_score)); child.start()\n"
        "assert abs(answers.get(timeout=60) - score) < 1e-4 * max(1, abs(score))\n"
        "child.join()"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", program, str(run)], check=True, timeout=120, env=environment)


def test_a_batch_of_one_scores_as_a_batch_of_eight(detector):
    images = [fabricate.picture(40, 48, seed=seed) for seed in range(8)]
    alone = [p.pred_score for p in detector.predict(images, batch_size=1)]
    together = [p.pred_score for p in detector.predict(images, batch_size=8)]
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_no_image_is_refused(detector, size):
    with pytest.raises(InputError, match=f"got a batch_size of {size}, expected at least 1"):
        detector.predict([PIXELS], batch_size=size)


def test_the_number_of_threads_does_not_change_the_score(detector):
    images = [fabricate.picture(40, 48, seed=seed) for seed in range(11)]
    expected = detector.predict(images)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = detector.predict(images)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose([p.pred_score for p in found], [p.pred_score for p in expected], rtol=1e-4, atol=1e-5)


def test_every_form_of_an_image_gives_the_same_score(detector, tmp_path):
    path = fabricate.save(tmp_path / "x.png", PIXELS)
    as_float = PIXELS.astype(np.float32) / 255
    tensor = torch.from_numpy(as_float).permute(2, 0, 1)
    expected = detector.predict(path).pred_score
    with Image.open(path) as picture:
        forms = [str(path), picture.copy(), PIXELS, Sample("x", path)]
    assert [detector.predict(form).pred_score for form in forms] == [expected] * 4
    wider = (as_float, tensor, PIXELS.astype(np.uint16) * 257)
    assert [detector.predict(form).pred_score for form in wider] == [expected] * 3


def test_copies_of_one_photograph_are_no_training_data(tmp_path):
    for index in range(24):
        fabricate.save(tmp_path / f"{index}.png", PIXELS)
    with pytest.raises(TrainingError, match="of 24 training images only 1 differ"):
        UTAD(overrides=TINY).fit(tmp_path)


def test_images_with_red_and_blue_exchanged_are_told_once_a_call(tmp_path, caplog):
    warm = [
        (fabricate.picture(seed=seed, grey=True) * np.array([1.0, 0.8, 0.6])).astype(np.uint8) for seed in range(10)
    ]
    fitted = UTAD(overrides=SHORTEST).fit(warm[:8])
    fitted.save(tmp_path / "m.safetensors")
    loaded = UTAD.load(tmp_path / "m.safetensors")
    for images, expected in ((warm[8:], 0), ([image[..., ::-1] for image in warm[8:]], 1), (warm[9][..., ::-1], 1)):
        caplog.clear()
        loaded.predict(images)
        assert sum("red and blue look exchanged" in record.message for record in caplog.records) == expected


def test_several_images_give_a_list(detector, tmp_path):
    path = fabricate.save(tmp_path / "folder" / "x.png", PIXELS)
    batch = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for inputs, count in (([path, PIXELS], 2), (batch, 2), (tmp_path / "folder", 1), ((i for i in [PIXELS]), 1)):
        predictions = detector.predict(inputs)
        assert isinstance(predictions, list)
        assert len(predictions) == count


def test_a_prediction_has_the_size_of_its_image_and_cannot_be_changed(detector):
    prediction = detector.predict(PIXELS)
    assert prediction.anomaly_map.shape == prediction.pred_mask.shape == (50, 70)
    assert prediction.anomaly_map.dtype == np.float32
    for picture in (prediction.impression, prediction.naive_impression, prediction.reconstruction):
        assert picture.shape == (50, 70, 3)
        assert picture.dtype == np.uint8
    assert set(prediction.component_maps) == {"input", "restored", "residual", "neighbours"}
    assert prediction.pred_mask.any() == prediction.pred_label == (prediction.regions != ())
    assert prediction.pred_label == (prediction.pred_score > prediction.threshold)
    with pytest.raises(FrozenInstanceError):
        prediction.pred_score = 0.0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64, 3), np.uint8),
        np.full((64, 64), 255, np.uint8),
        np.zeros((1, 1000, 3), np.uint8),
        np.full((3, 3, 3), 0.5, np.float32),
    ],
    ids=["black", "white", "a line", "tiny"],
)
def test_strange_images_get_a_finite_score(detector, image):
    prediction = detector.predict(image)
    assert math.isfinite(prediction.pred_score)
    assert np.isfinite(prediction.anomaly_map).all()


@pytest.mark.parametrize(
    "image",
    [
        np.full((8, 8, 3), np.nan, np.float32),
        np.full((8, 8, 3), np.inf, np.float32),
        np.full((8, 8, 3), 7.0, np.float32),
        np.zeros((8, 8, 5), np.uint8),
        torch.zeros(2, 8, 8),
        3.0,
        [None],
    ],
)
def test_what_is_not_an_image_is_refused(detector, image):
    with pytest.raises(InputError, match=r"\w"):
        detector.predict(image)


def test_defects_score_higher_the_stronger_they_are(detector):
    image = fabricate.picture(64, 64, seed=3)
    values = []
    for strength in (0.0, 0.5, 1.0):
        changed = image.astype(np.float32)
        changed[20:40, 20:40] += strength * (255 - changed[20:40, 20:40])
        values.append(detector.predict(changed.astype(np.uint8)).raw_score)
    assert values == sorted(values)
    assert values[0] < values[2]


def test_test_images_are_never_touched(parts, run):
    category = open_category(parts)
    poisoned = replace(category, test=(Sample("gone", Path("/nowhere/gone.png"), anomalous=True),))
    one, other = UTAD(overrides=TINY).fit(category), UTAD(overrides=TINY).fit(Category("x", poisoned.train))
    assert scores(one, [PIXELS]) == scores(other, [PIXELS]) == scores(UTAD.load(run), [PIXELS])
    assert scores(UTAD(overrides=TINY).fit(poisoned), [PIXELS]) == scores(one, [PIXELS])


def test_damaged_files_are_all_named_or_skipped_and_counted(tmp_path):
    for seed in range(8):
        fabricate.save(tmp_path / f"{seed}.png", fabricate.picture(64, 64, seed=seed))
    (tmp_path / "bad one.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"(?s)bad one\.png.*text\.png"):
        UTAD(overrides=TINY).fit(tmp_path)
    detector = UTAD(overrides=TINY).fit(tmp_path, skip_bad=True)
    assert (detector.report_.n_images, detector.report_.n_skipped) == (8, 2)


def test_bad_parts_among_the_training_images_are_reported(caplog, tmp_path):
    normal = [fabricate.picture(64, 64, seed=0).astype(int) for _ in range(103)]
    rng = np.random.default_rng(5)
    images = [np.clip(one + rng.normal(0, 6, one.shape), 0, 255).astype(np.uint8) for one in normal]
    for index in (11, 50, 90):
        images[index][20:34, 20 + index // 4 : 34 + index // 4] = (250, 10, 250)
    samples = tuple(Sample(f"part {index}", image) for index, image in enumerate(images))
    detector = UTAD(overrides=TINY)
    detector.fit(Category("parts", samples), output=tmp_path / "run", graph=False, report=training_page)
    report = detector.report_
    assert {"part 11", "part 50", "part 90"} <= {one.name for one in report.unusual[:5]}
    assert {one.name for one in report.unusual if one.outlier} == {"part 11", "part 50", "part 90"}
    assert any("part 50" in message and "threshold makes room" in message for message in caplog.messages)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert {"part 11", "part 50", "part 90"} <= set(re.findall(r'class="name">([^<]*)</span>', page)[:5])
    # Their maps say where they are unusual.
    for picture in report.record.unusual[:3]:
        assert picture.name in {"part 11", "part 50", "part 90"}
        left = 20 + int(picture.name.split()[1]) // 4
        assert picture.heat[20:34, left : left + 14].mean() > np.quantile(picture.heat, 0.8)


def test_too_few_images(tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path / f"{seed}.png", fabricate.picture(64, 64, seed=seed))
    with pytest.raises(TrainingError, match="at least 4 normal images, got 3"):
        UTAD(overrides=TINY).fit(tmp_path)


def test_mixed_photos_train_and_predict(tmp_path, caplog):
    fabricate.photos(tmp_path / "Meine Fotos")
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())
    detector = UTAD(overrides=TINY).fit(tmp_path / "Meine Fotos")
    # Whoever trains beside other work draws the same random numbers there as without it.
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
    assert "training on 5 images: the threshold is a guess that about one normal image in 6 may exceed" in caplog.text
    predictions = detector.predict(tmp_path / "Meine Fotos")
    assert len(predictions) == detector.report_.n_images >= 5
    assert all(math.isfinite(prediction.pred_score) for prediction in predictions)


def test_not_fitted():
    with pytest.raises(NotFittedError, match="call fit"):
        UTAD().predict(PIXELS)
    with pytest.raises(NotFittedError):
        UTAD().save("never.safetensors")


def test_an_unreadable_file_stops_predict_and_is_named(detector, tmp_path):
    (tmp_path / "x.png").write_bytes(b"GIF89a")
    with pytest.raises(ImageReadError, match=r"x\.png"):
        detector.predict(tmp_path / "x.png")


def test_a_run_is_not_overwritten_unless_asked(parts, run):
    with pytest.raises(OutputError, match="already holds a run"):
        UTAD(overrides=TINY).fit(parts, output=run)


def test_replace_takes_the_place_of_an_earlier_run(parts, tmp_path):
    UTAD(overrides=[*TINY, "ie_training.steps=2"]).fit(parts, output=tmp_path, graph=False)
    keep = tmp_path / "notes.txt"
    keep.write_text("mine", encoding="utf-8")
    (tmp_path / "openvino").mkdir()
    for name in ("manifest.json", "detector.xml", "detector.bin", "normal_images.npz"):
        (tmp_path / "openvino" / name).write_bytes(b"of the earlier run")
    UTAD(overrides=TINY, seed=4).fit(parts, output=tmp_path, replace=True, graph=False)
    assert not (tmp_path / "openvino").exists()
    assert "seed: 4" in (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert UTAD.load(tmp_path).config.seed == 4
    assert keep.read_text(encoding="utf-8") == "mine"


def test_calibration_on_normals_sets_the_rate(detector):
    images = [fabricate.picture(40, 48, seed=seed) for seed in range(300, 360)]
    outcome = detector.calibrate(images, fpr=0.2)
    assert outcome.n_images == 60
    above = sum(prediction.pred_label for prediction in detector.predict(images))
    assert 6 <= above <= 12


def test_a_calibration_says_what_it_changes_and_can_be_undone(detector, tmp_path):
    images = [fabricate.picture(40, 48, seed=seed) for seed in range(300, 312)]
    before = (detector.threshold, detector.image_normalisation)
    called = sum(prediction.pred_label for prediction in detector.predict(images))
    outcome = detector.calibrate(images, fpr=0.4)
    (part,) = outcome.flagged
    now = sum(prediction.pred_label for prediction in detector.predict(images))
    assert (part.kind, part.n_images, part.before, part.after) == ("normal", 12, called, now)
    detector.save(tmp_path / "m.safetensors")
    restored = UTAD.load(tmp_path / "m.safetensors")
    assert restored.image_normalisation != before[1]
    restored.undo_calibration()
    assert (restored.threshold, restored.image_normalisation) == before


@pytest.mark.parametrize("fpr", [0.0, -0.1, 0.5, 1.0, 1.5, math.nan, math.inf])
def test_rates_that_no_threshold_has(detector, fpr):
    with pytest.raises(ConfigError, match=r"above 0 and below 0\.5"):
        detector.calibrate([PIXELS] * 12, fpr=fpr)
    assert detector.calibrations == ()


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_handful_of_images_sets_no_threshold_unless_insisted(detector, count):
    images = [fabricate.picture(40, 48, seed=seed) for seed in range(300, 300 + count)]
    with pytest.raises(DataError, match=f"got {count} image"):
        detector.calibrate(images)
    detector.calibrate(images, force=True)
    # Another image of the kind is no million times as anomalous as those.
    assert abs(detector.predict(fabricate.picture(40, 48, seed=400)).pred_score) < 50


def test_copies_of_one_image_move_the_scores_and_do_not_stretch_them(detector):
    spread = detector.image_normalisation.limit - detector.image_normalisation.location
    detector.calibrate([PIXELS] * 12)
    assert detector.predict(PIXELS).pred_score == pytest.approx(0, abs=1e-6)
    after = detector.image_normalisation
    assert after.limit - after.location == pytest.approx(spread)


def test_calibration_on_labels_reaches_the_recall(detector, parts):
    test = open_category(parts).test
    outcome = detector.calibrate_labelled(test, target="recall=1.0", force=True)
    predictions = detector.predict([sample for sample in test if sample.anomalous])
    assert all(prediction.pred_label for prediction in predictions)
    assert "recall=1.0 on" in outcome.basis
    with pytest.raises(DataError, match="none of the images has a label"):
        detector.calibrate_labelled([Sample("x", PIXELS)])


def test_the_held_out_block_is_one_run_in_the_middle():
    assert held_out_block(10, 0.2).tolist() == [False] * 4 + [True] * 2 + [False] * 4
    assert int(held_out_block(4, 0.01).sum()) == 1
