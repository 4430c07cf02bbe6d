from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests import fabricate
from utad import UTAD, load_detector
from utad.errors import ConfigError, InputError, ModelFileError
from utad.export.exported import ExportedDetector
from utad.export.manifest import read_manifest, write_manifest
from utad.loading import exported_folder, is_export

IMAGES = [fabricate.picture(50, 70, seed=seed) for seed in range(3)]


@pytest.fixture
def own_run(run, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(run, tmp_path / "run")


@pytest.mark.parametrize("part", ["", "model.safetensors"])
def test_a_run_is_scored_by_the_graph_beside_its_model(run, part, caplog):
    caplog.set_level(logging.INFO, logger="utad")
    detector = load_detector(run / part)
    assert isinstance(detector, ExportedDetector)
    assert f"scoring with the openvino graph in {run / 'openvino'}" in caplog.text
    model = UTAD.load(run)
    assert (detector.threshold, detector.config) == (model.threshold, model.config)
    for one, other in zip(model.predict(IMAGES), detector.predict(IMAGES), strict=True):
        assert other.pred_score == pytest.approx(one.pred_score, rel=1e-3, abs=5e-4)
        assert list(other.component_maps) == list(one.component_maps)
        for name, values in one.component_maps.items():
            np.testing.assert_allclose(other.component_maps[name], values, rtol=1e-3, atol=5e-3)


def test_pytorch_scores_where_it_is_asked_for(run, caplog):
    caplog.set_level(logging.INFO, logger="utad")
    assert isinstance(load_detector(run, runtime="torch"), UTAD)
    assert "scoring with PyTorch: asked for" in caplog.text


def test_a_graph_of_another_state_of_the_model_is_not_taken(own_run, caplog):
    caplog.set_level(logging.INFO, logger="utad")
    model = UTAD.load(own_run)
    model.threshold = 0.7
    model.save(own_run, graph=False)
    detector = load_detector(own_run)
    assert isinstance(detector, UTAD)
    assert detector.threshold == 0.7
    assert "belongs to another model, or to an earlier state" in caplog.text
    assert f"utad export {own_run} --format openvino --output {own_run / 'openvino'} writes it anew" in caplog.text
    with pytest.raises(ModelFileError, match="belongs to another model"):
        load_detector(own_run, runtime="openvino")


def test_saving_to_a_run_writes_the_graph_anew(own_run):
    model = UTAD.load(own_run)
    model.threshold = 0.7
    model.save(own_run)
    detector = load_detector(own_run, runtime="openvino")
    assert detector.threshold == 0.7
    assert sorted(path.name for path in (own_run / "openvino").iterdir()) == [
        "detector.bin",
        "detector.xml",
        "manifest.json",
        "normal_images.npz",
    ]
    assert sorted(path.name for path in own_run.iterdir()) == [
        ".utad-record.jsonl",
        "checkpoints",
        "config.yaml",
        "metrics.csv",
        "model.safetensors",
        "openvino",
    ]


def test_saving_to_a_file_of_its_own_writes_that_file_alone(run, tmp_path):
    UTAD.load(run).save(tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("name", ["detector.bin", "manifest.json"])
def test_a_damaged_graph_is_left_to_pytorch_and_said(own_run, name, caplog):
    caplog.set_level(logging.INFO, logger="utad")
    path = own_run / "openvino" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert isinstance(load_detector(own_run), UTAD)
    assert "damaged" in caplog.text
    with pytest.raises(ModelFileError, match="damaged"):
        load_detector(own_run, runtime="openvino")


def test_a_damaged_model_is_refused_although_its_graph_is_whole(own_run):
    path = own_run / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        load_detector(own_run)


def test_another_runtime_needs_a_graph_of_its_own(own_run):
    with pytest.raises(ModelFileError, match=r"there is no graph in .*onnx: utad export .* --format onnx"):
        load_detector(own_run, runtime="onnx")


def test_beside_a_graph_of_before_the_model_scores_images_of_sixteen_bits(own_run):
    manifest = replace(read_manifest(own_run / "openvino"), bits=8)
    write_manifest(own_run / "openvino", manifest)
    fine = (IMAGES[0].astype(np.uint16) * 257 + 100).clip(0, 65535).astype(np.uint16)
    found, expected = load_detector(own_run).predict(fine), UTAD.load(own_run).predict(fine)
    assert found.pred_score == pytest.approx(expected.pred_score, rel=1e-6, abs=1e-6)
    shutil.copytree(own_run / "openvino", own_run.parent / "alone")
    with pytest.raises(InputError, match="takes images of 8 bits"):
        load_detector(own_run.parent / "alone").predict(fine)


def test_images_of_sixteen_bits_are_scored_as_the_model_scores_them(run):
    fine = [(image.astype(np.uint16) * 257 + 100).clip(0, 65535).astype(np.uint16) for image in IMAGES]
    mixed = [IMAGES[0], *fine, IMAGES[1]]
    expected = [prediction.pred_score for prediction in UTAD.load(run).predict(mixed)]
    found = load_detector(run).predict(mixed)
    assert [prediction.pred_score for prediction in found] == pytest.approx(expected, rel=1e-3, abs=5e-4)


def test_an_export_has_one_runtime(run, tmp_path):
    shutil.copytree(run / "openvino", tmp_path / "export")
    assert is_export(tmp_path / "export")
    assert isinstance(load_detector(tmp_path / "export", runtime="openvino"), ExportedDetector)
    for runtime in ("torch", "onnx"):
        with pytest.raises(ConfigError, match=f"got --runtime {runtime} .* an export for openvino"):
            load_detector(tmp_path / "export", runtime=runtime)


def test_the_graph_names_the_model_that_it_belongs_to(run):
    manifest = json.loads((run / "openvino" / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["model"]) == 64
    assert manifest["components"] == ["input", "restored", "residual", "neighbours"]


def test_nothing_is_said_of_graphs_before_the_model_is_known_to_be_one(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="utad")
    (tmp_path / "notes.txt").write_text("no model", encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"notes\.txt is damaged or not a model file"):
        load_detector(tmp_path / "notes.txt")
    assert not caplog.records


def test_the_graph_of_a_model_is_found_without_the_model(own_run):
    graph = own_run / "openvino"
    assert exported_folder(own_run) == exported_folder(own_run / "model.safetensors") == exported_folder(graph) == graph
    model = UTAD.load(own_run)
    model.threshold = 0.7
    model.save(own_run, graph=False)
    with pytest.raises(ModelFileError, match="belongs to another model"):
        exported_folder(own_run)
    shutil.rmtree(graph)
    with pytest.raises(ModelFileError, match="there is no graph"):
        exported_folder(own_run)
