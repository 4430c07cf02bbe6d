from __future__ import annotations

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import utad
from utad.dependencies import EXTRAS, extras_named, is_installed, require
from utad.errors import MissingDependencyError, UTADError


@pytest.mark.parametrize(
    ("module", "installs"),
    [
        ("onnxruntime", r"utad\[onnx\]"),
        ("nncf", r"utad\[openvino\]"),
        ("openvino", "utad"),
        ("paho.mqtt", r"utad\[mqtt\]"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch, module, installs):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"{module} is needed.*pip install '{installs}'$"):
        require(module)


def test_the_telemetry_of_openvino_is_not_loaded():
    require("openvino")
    assert "openvino_telemetry" not in sys.modules


def test_the_extras_are_those_of_the_package():
    """By distributions: each extra names all that `pyproject.toml` has in it, and nothing else."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {
        extra: {canonicalize_name(Requirement(one).name) for one in requirements} - {"utad"}
        for extra, requirements in project["optional-dependencies"].items()
        if extra not in {"dev", "docs", "release"}  # the package imports nothing of these
    }
    installed = packages_distributions()

    def distribution(module: str) -> str:
        # Several may share a module, as mlflow and mlflow-skinny do.
        found = {canonicalize_name(one) for one in installed.get(module, [module])}
        return module if module in found else found.pop()

    named = {extra: {distribution(module) for module in modules} for extra, modules in EXTRAS.items()}
    assert named == declared


def test_a_missing_package_of_an_extra_is_an_error_with_its_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDependencyError) as caught, extras_named(". Or take a walk"):
        import sklearn.metrics  # noqa: F401
    assert str(caught.value) == "sklearn is needed and not installed: pip install 'utad[train]'. Or take a walk"
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, UTADError)


def test_a_missing_package_of_no_extra_is_a_bug_and_stays_what_it_is():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), extras_named():
        import no_such_package  # noqa: F401


def test_the_package_names_the_extra_when_a_name_of_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "utad.detector", raising=False)
    with pytest.raises(MissingDependencyError, match=r"torch is needed.*utad\[train\]"):
        _ = utad.UTAD


def test_an_extra_is_installed_when_all_its_packages_are(monkeypatch):
    assert is_installed("train")
    monkeypatch.setitem(EXTRAS, "train", ("torch", "no_such_package"))
    assert not is_installed("train")
