"""A region of interest from the training to the export: what lies outside of it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests import fabricate
from tests.conftest import TINY
from tests.regional import outside_changed, same
from utad import UTAD
from utad.cli.app import app
from utad.data.rasterising import region_of_interest
from utad.data.region_of_interest import RegionOfInterest
from utad.errors import ConfigError, DataError, ImageReadError, TrainingError
from utad.evaluation.evaluate import evaluate_to_folder
from utad.export.writing import export_detector
from utad.interpret.explanation_figure import explanation_figure
from utad.loading import load_detector
from utad.report.explanation_page import explanation_page
from utad.scoring.network import build_network
from utad.types import Category, Prediction, Sample

PIXELS = "image.roi=[[[24, 2], [47, 5], [44, 38], [26, 36]]]"
"""Of images of 48 x 40 pixels, at the right: the square of `fabricate.defective` lies outside."""

PARTS = f"image.roi={[[[x / 48, y / 40] for x, y in ((24, 2), (47, 5), (44, 38), (26, 36))]]}"
SIZES = [(40, 48), (80, 96), (31, 57), (300, 333)]
GOOD = [fabricate.picture(seed=seed) for seed in range(12)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run with a region in pixels."""
    folder = tmp_path_factory.mktemp("regional") / "run"
    UTAD(overrides=[*TINY, PIXELS]).fit(GOOD, output=folder)
    return folder


@pytest.fixture(scope="module")
def detector(run) -> UTAD:
    return UTAD.load(run)


@pytest.fixture(scope="module")
def exports(run, detector, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("exports")
    export_detector(detector, folder / "onnx", graph_format="onnx")
    export_detector(detector, folder / "bf16", graph_format="openvino", precision="bf16")
    return {"openvino": run / "openvino", "onnx": folder / "onnx", "bf16": folder / "bf16"}


def probes() -> Iterator[np.ndarray]:
    """Normal and anomalous images of several sizes; the defect lies inside."""
    for seed, size in enumerate(SIZES):
        image = fabricate.picture(*size, seed=50 + seed)
        yield image
        damaged = image.copy()
        damaged[size[0] // 3 : size[0] // 2, 2 * size[1] // 3 : 5 * size[1] // 6] = 255 * (seed % 2)
        yield damaged


def test_training_learns_nothing_of_what_lies_outside(detector, tmp_path):
    region = region_of_interest(detector.config.image, [Sample("one", GOOD[0])])
    mask = fabricate.save(tmp_path / "region.png", region.mask.astype(np.uint8))
    other = UTAD(overrides=[*TINY, f"image.roi={mask}"])
    other.fit([outside_changed(image, region, seed) for seed, image in enumerate(GOOD)])
    mask.unlink()
    own, others = detector.network_.state_dict(), other.network_.state_dict()
    assert own.keys() == others.keys()
    assert [name for name, tensor in own.items() if not torch.equal(tensor, others[name])] == []
    assert other.region.fill == detector.region.fill
    assert (other.threshold, other.fail_threshold) == (detector.threshold, detector.fail_threshold)
    assert other.normal_images.thumbnails == detector.normal_images.thumbnails
    assert other.colour_order == detector.colour_order
    other.save(tmp_path / "other.safetensors")
    assert same(UTAD.load(tmp_path / "other.safetensors").predict(GOOD[3]), detector.predict(GOOD[3]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_lies_outside_changes_no_prediction(detector, dtype):
    labels = set()
    for image in probes():
        image = image.astype(dtype) * (257 if dtype == np.uint16 else 1)
        one, other = detector.predict([image, outside_changed(image, detector.region)])
        labels.add(one.pred_label)
        assert same(one, other)
        assert one.shares == other.shares
        assert np.array_equal(one.inside, detector.region.inside(image.shape[:2]))
        assert (one.anomaly_map[~one.inside] == one.anomaly_map[one.inside].min()).all()
        assert not one.pred_mask[~one.inside].any()
        assert one.pred_mask.any() == one.pred_label
        assert sum(one.shares.values()) == pytest.approx(one.pred_score, abs=1e-6)
    assert labels == {False, True}


@pytest.mark.parametrize("kind", ["openvino", "onnx", "bf16"])
def test_an_exported_graph_has_the_region_in_it(exports, detector, kind):
    exported = load_detector(exports[kind])
    near = 1e-3 if kind != "bf16" else 0.3
    for image in probes():
        one, other = (exported.predict(pixels) for pixels in (image, outside_changed(image, detector.region)))
        assert same(one, other)
        expected = detector.predict(image)
        assert one.pred_score == pytest.approx(expected.pred_score, abs=near, rel=near)
        assert np.array_equal(one.inside, expected.inside)
        if kind != "bf16":
            np.testing.assert_allclose(one.anomaly_map, expected.anomaly_map, atol=5e-3, rtol=1e-3)
        for name, values in one.component_maps.items():
            assert (values[~one.inside] == values[one.inside].min()).all()
            if kind != "bf16":
                np.testing.assert_allclose(values, expected.component_maps[name], atol=5e-2, rtol=1e-2)
        assert not one.pred_mask[~one.inside].any()


@pytest.mark.parametrize("kind", ["openvino", "onnx"])
def test_an_exported_graph_sees_no_more_of_images_of_16_bits(exports, detector, kind):
    exported = load_detector(exports[kind])
    image = fabricate.picture(*SIZES[0], seed=77).astype(np.uint16) * 256 + 11
    one, other = exported.predict([image, outside_changed(image, detector.region)])
    assert same(one, other)
    assert one.pred_score == pytest.approx(detector.predict(image).pred_score, abs=1e-3, rel=1e-3)


def test_a_plain_runtime_gives_what_the_detector_gives(exports, detector):
    import onnxruntime

    session = onnxruntime.InferenceSession(exports["onnx"] / "detector.onnx")
    for image in probes():
        score, _, heat, mask, *_ = session.run(None, {"image": image[None]})
        expected = detector.predict(image)
        assert float(score[0]) == pytest.approx(expected.pred_score, abs=1e-3, rel=1e-3)
        assert np.mean(mask[0] != expected.pred_mask) < 0.01
        assert not mask[0][~expected.inside].any()
        assert (heat[0][~expected.inside] == heat[0][expected.inside].min()).all()


def test_parts_and_pixels_name_the_same_region(detector):
    region = region_of_interest(UTAD(overrides=[PARTS]).config.image, [Sample("one", GOOD[0])])
    assert np.array_equal(region.mask, detector.region.mask)


def test_a_model_with_a_region_differs_in_its_positions_alone(detector):
    whole = build_network(UTAD(overrides=TINY).config, 3).state_dict()
    added = {name.rsplit(".", 1)[1] for name in detector.network_.state_dict() if name not in whole}
    assert added == {"counted", "nearest"}
    assert whole.keys() <= detector.network_.state_dict().keys()


def test_a_config_and_images_must_both_have_a_region_or_none(detector):
    with pytest.raises(ConfigError, match="the region that is drawn from them is not there"):
        build_network(detector.config, 3)
    with pytest.raises(ConfigError, match=r"neither image.roi, image.ignore nor image.letterbox is set"):
        build_network(UTAD(overrides=TINY).config, 3, region=detector.region)


def test_an_image_of_a_pixel_outside_is_an_error_in_its_place(detector, exports):
    tiny = RegionOfInterest(detector.region.mask, (0, 0, 0)).inside((1, 1))
    assert not tiny.any()
    for scorer in (detector, load_detector(exports["onnx"])):
        samples = [Sample("tiny", np.zeros((1, 1, 3), np.uint8)), Sample("whole", GOOD[0])]
        (_, first), (_, second) = scorer.predict_samples(samples)
        assert isinstance(first, ImageReadError)
        assert isinstance(second, Prediction)


def test_a_defect_outside_is_no_defect_to_any_command(run, detector, tmp_path):
    parts = fabricate.normal_abnormal(tmp_path / "parts", n_normal=6, n_abnormal=6)
    outcome = CliRunner().invoke(app, ["evaluate", str(run), str(parts), "--output", str(tmp_path / "e"), "--json"])
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert found["n_defects_outside"] == 6
    assert "n_anomalous" in found
    assert found["n_anomalous"] == 0
    assert "image" not in found
    # Its mask has nothing to count in it, so there is nothing that pixels are told apart by.
    assert "pixel" not in found
    outcome = CliRunner().invoke(app, ["calibrate", str(run), "--labelled", str(parts), "--force"])
    assert isinstance(outcome.exception, DataError)
    assert "needs normal and anomalous images, got 12 and 0" in str(outcome.exception)


def test_metrics_are_those_of_the_images_without_a_defect_outside(detector, tmp_path):
    inside = detector.region.inside((40, 48))
    mark = np.zeros((40, 48), bool)
    mark[10:20, 30:40] = True
    assert inside[mark].all()
    reports = []
    for name, spoilt in (("clean", False), ("spoilt", True)):
        samples = []
        for seed in range(4):
            image, mask = fabricate.picture(seed=80 + seed), np.zeros((40, 48), bool)
            if seed % 2:
                image[mark], mask = 0, mark.copy()
            if spoilt:
                image[:, :20], mask[:, 5:9] = 0, seed > 0
            samples.append(Sample(str(seed), image, bool(seed % 2 or (spoilt and seed)), mask=mask))
        reports.append(
            evaluate_to_folder(detector, Category("parts", [], samples), tmp_path / name, dataset="parts", seed=0)
        )
    clean, spoilt = ({**report.evaluation.as_dict(), "ms_per_image": 0} for report in reports)
    assert (clean.pop("n_defects_outside"), spoilt.pop("n_defects_outside")) == (0, 1)
    assert clean["pixel"]["auroc"] > 0.5
    assert spoilt == clean


def test_an_explanation_shows_the_region(detector):
    explanation = detector.explain(fabricate.defective(seed=1))
    assert sum(explanation.shares.values()) == pytest.approx(explanation.prediction.pred_score, abs=1e-6)
    assert 'class="region"' in explanation_page(explanation)
    assert explanation_figure(explanation).axes


def test_resuming_with_another_region_is_refused(run, tmp_path):
    again = UTAD(overrides=[*TINY, "image.roi=[0, 0, 0.5, 1]"])
    with pytest.raises(TrainingError, match="belongs to another run"):
        again.fit(GOOD, output=run, resume=True)


@pytest.mark.parametrize("space", ["features", "pixels"])
def test_eq_8_has_a_region_too(space, tmp_path):
    overrides = [*TINY, "backbone.stages=[0,1]", "scoring.method=paper", f"scoring.space={space}", PARTS]
    grey = [fabricate.picture(seed=seed, grey=True) for seed in range(8)]
    detector = UTAD(overrides=overrides)
    # Colours outside make no colour images of them.
    regions = region_of_interest(detector.config.image, [Sample("one", grey[0])])
    detector.fit([outside_changed(image, regions, seed) for seed, image in enumerate(grey)])
    assert detector.network_.channels == 1
    export_detector(detector, tmp_path / "export", graph_format="openvino")
    exported = load_detector(tmp_path / "export")
    for image in probes():
        one, other = detector.predict([image, outside_changed(image, detector.region)])
        assert same(one, other)
        assert exported.predict(image).pred_score == pytest.approx(one.pred_score, abs=1e-3, rel=1e-3)
