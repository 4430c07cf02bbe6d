from __future__ import annotations

import sys

import pytest

from utad.errors import MissingDependencyError
from utad.export.dependencies import require
from utad.loading import load_detector


@pytest.mark.parametrize(("module", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino"), ("nncf", "openvino")])
def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"{module} is needed.*pip install 'utad\[{extra}\]'"):
        require(module, extra)


def test_an_export_without_its_runtime(export, monkeypatch):
    folder = export("colour", "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match="onnxruntime"):
        load_detector(folder)


def test_the_telemetry_of_openvino_is_not_loaded():
    require("openvino", "openvino")
    assert "openvino_telemetry" not in sys.modules
