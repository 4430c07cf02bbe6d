from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.conftest import SHORTEST
from utad.cli.app import app
from utad.errors import ConfigError, ModelFileError


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def test_a_run_and_labelled_images_give_figures_7_and_8(run, tmp_path):
    for index in range(4):
        fabricate.save(tmp_path / "in" / "normal" / f"{index}.png", fabricate.picture(seed=100 + index))
        fabricate.save(tmp_path / "in" / "abnormal" / f"{index}.png", fabricate.defective(seed=100 + index))
    command = ("figures", run, "--data", tmp_path / "in", "--output", tmp_path / "out", "--images", 1)
    result = utad(*command)
    assert result.exit_code == 0, result.output
    rule, left_out, last = result.stdout.strip().splitlines()
    assert rule.startswith("Images chosen by a rule, from the scores of utad")
    assert left_out.startswith("Left out: figures 5, 6, 9 and 10")
    assert last == f"2 figures: {tmp_path / 'out' / 'index.html'}"
    summary = json.loads(utad(*command, "--only", "7", "--json").stdout)
    assert [figure["png"] for figure in summary["figures"]] == ["figure-7__in.png"]
    assert (tmp_path / "out" / "figure-7__in.png").is_file()


def test_a_suite_says_how_long_it_takes_and_trains(tmp_path):
    fabricate.mvtec_category(tmp_path / "data" / "bottle")
    settings = [part for setting in SHORTEST for part in ("--set", setting)]
    result = utad(
        *("figures", "mvtec", "--root", tmp_path / "data", "--category", "bottle", "--only", "5", "--images", 1),
        *("--methods", "utad", *settings, "--output", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    said = result.stderr.splitlines()
    assert "1 cell to train and score: about 2 min on two cores with preset fast and its steps" in said
    assert "1/1 bottle utad: done" in said
    assert (tmp_path / "out" / "figure-5__bottle.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("textures", "--data", "x"), "textures is a suite, it has its own data"),
        (("RUN", "--methods", "padim"), "a model is not trained again"),
        (("RUN", "--set", "a=b"), "a model is not trained again"),
        (("RUN",), "name a folder or data set of labelled ones"),
        (("textures", "--only", "five"), "'five' is not a list of numbers such as 5,7"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, tmp_path, arguments, message):
    source, *rest = arguments
    result = utad("figures", run if source == "RUN" else source, *rest, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_what_is_no_source_and_no_figure_is_named(run, parts, tmp_path):
    output = ("--output", tmp_path / "out")
    unknown = utad("figures", tmp_path / "nothing", "--data", parts, *output).exception
    assert isinstance(unknown, ConfigError)
    assert "neither a model nor one of the suites textures, elpv" in str(unknown)
    (tmp_path / "empty").mkdir()
    assert isinstance(utad("figures", tmp_path / "empty", "--data", parts, *output).exception, ModelFileError)
    compared = utad("figures", run, "--data", parts, "--only", "7,9", *output).exception
    assert isinstance(compared, ConfigError)
    assert "got figure 9: figures that compare trainings need a suite" in str(compared)
