"""What is said of anomalib's models where they are not installed, or are none that can be compared."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from utad.baselines.anomalib_models import MODELS, known_model
from utad.cli.app import app
from utad.errors import ConfigError, MissingDependencyError
from utad.evaluation.methods import variants_of, with_settings
from utad.evaluation.variant import Variant


def test_the_extra_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anomalib", None)
    output = tmp_path / "out"
    result = CliRunner().invoke(
        app, ["benchmark", "textures", "--methods", "utad,anomalib:Padim", "--output", str(output)]
    )
    assert isinstance(result.exception, MissingDependencyError)
    assert "anomalib:Padim needs anomalib" in str(result.exception)
    assert "pip install 'utad[anomalib]'" in str(result.exception)
    assert not output.exists()


def test_a_model_that_is_none_is_named_with_those_that_are():
    with pytest.raises(
        ConfigError, match="unknown method anomalib:Padin: of anomalib's models choose from AnomalyDINO,"
    ):
        known_model("anomalib:Padin")
    with pytest.raises(ConfigError, match=r"unknown method gan: choose from utad, .* or anomalib:MODEL for a model of"):
        variants_of(["gan"])


def test_settings_reach_the_model_that_they_name():
    variants = [Variant("a", "anomalib:Stfpm"), Variant("b", "anomalib:Padim")]
    stfpm, padim = with_settings(variants, ["anomalib:Stfpm.epochs=3", "image.tile=auto"])
    assert (stfpm.overrides, padim.overrides) == (("epochs=3", "image.tile=auto"), ("image.tile=auto",))
    with pytest.raises(ConfigError, match=r"got the setting anomalib:Cflow.epochs=3, and anomalib:Cflow is not among"):
        with_settings(variants, ["anomalib:Cflow.epochs=3"])


def test_the_page_has_all_models_with_the_weights_that_they_get():
    page = (Path(__file__).parents[2] / "docs" / "anomalib.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (EfficientNet|random|none)[^|]*\| ([^|]*) \|$", page, re.MULTILINE)
    listed = {kind: set(re.findall(r"[A-Z]\w+", names.split(", whose")[0])) for kind, names in rows}
    assert listed["EfficientNet"] == {name for name, known in MODELS.items() if known.takes_any}
    assert listed["none"] == {name for name, known in MODELS.items() if not known.backbone}
    assert listed["random"] == set(MODELS) - listed["EfficientNet"] - listed["none"]
