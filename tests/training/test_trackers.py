"""Losses in TensorBoard and in MLflow, by these packages themselves where they are installed."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.training import tiny
from tests.training.test_fit import Killed, kill_at_save
from utad import UTAD
from utad.cli.app import app
from utad.errors import ConfigError, MissingDependencyError, TrainingError
from utad.models.two_stage import TwoStage
from utad.training import mlflow_run
from utad.training.fit import train_two_stage
from utad.training.trackers import check_trackers, loggers_of

TINY = (*tiny.SETTINGS, "scoring.method=paper", "scoring.space=pixels")


def trained(directory: Path, *loggers: str, resume: bool = False) -> TwoStage:
    config = tiny.config()
    model = tiny.model(config)
    train_two_stage(model, tiny.images(), config, directory=directory, resume=resume, loggers=loggers)
    return model


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A function that trains until the second stage has its first checkpoint, 2 of 6 steps, and a third step."""

    def run(*loggers: str) -> Path:
        with monkeypatch.context() as killing:
            kill_at_save(killing, 5, after=False)
            with pytest.raises(Killed):
                trained(tmp_path, *loggers)
        return tmp_path

    return run


@pytest.fixture
def no_network(monkeypatch):
    def refused(*arguments: object) -> None:
        raise AssertionError(f"connects to {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refused)


def test_without_a_tracker_only_the_metrics_are_written(tmp_path):
    trained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "metrics.csv"]


@pytest.mark.parametrize(
    ("names", "output", "message"),
    [
        (["wandb"], Path("run"), "got logger wandb, expected some of tensorboard, mlflow"),
        (["tensorboard"], None, "tensorboard goes beside the model: give an output folder too"),
    ],
)
def test_what_cannot_be_logged_to_is_refused(names, output, message):
    with pytest.raises(ConfigError, match=message):
        check_trackers(names, output)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_the_package_of_a_tracker_that_is_missing_is_named_before_anything_is_read(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'utad\[{name}\]'"):
        UTAD(overrides=TINY).fit(tmp_path / "missing", output=tmp_path / "run", loggers=[name])
    assert not (tmp_path / "run").exists()


def test_the_command_names_a_tracker_that_it_does_not_know(tmp_path):
    data = fabricate.save(tmp_path / "data" / "0.png", fabricate.picture()).parent
    result = CliRunner().invoke(app, ["train", str(data), "--output", str(tmp_path / "run"), "--logger", "wandb"])
    assert result.exit_code == 2
    assert "--logger" in result.stderr
    assert "unknown wandb" in result.stderr


def test_tensorboard_has_the_losses_of_each_stage_and_none_twice_after_resuming(interrupted):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = interrupted("tensorboard")
    trained(run, "tensorboard", resume=True)
    for stage, terms in (("ie_net", tiny.IE_TERMS), ("expert_net", tiny.EXPERT_TERMS)):
        read = events.EventAccumulator(str(run / "tensorboard" / stage)).Reload()
        assert set(read.Tags()["scalars"]) == {*terms, "epoch"}
        shown = {event.step: event.value for event in read.Scalars("loss")}
        assert [event.step for event in read.Scalars("loss")] == list(range(6))
        assert shown == pytest.approx(tiny.curve(run / "metrics.csv", stage, "loss"), rel=1e-5)


def test_a_tracker_changes_no_weight(tmp_path):
    pytest.importorskip("tensorboard")
    assert tiny.same_weights(trained(tmp_path / "a", "tensorboard"), trained(tmp_path / "b"))


@pytest.fixture
def mlflow(monkeypatch):
    pytest.importorskip("sqlalchemy")
    found = pytest.importorskip("mlflow")
    monkeypatch.delenv(mlflow_run.ADDRESS_VARIABLE, raising=False)
    return found


def test_mlflow_has_one_run_of_a_training_on_this_computer_which_goes_on_with_it(mlflow, interrupted, no_network):
    run = interrupted("mlflow")
    run_id = json.loads((run / "mlflow.json").read_text(encoding="utf-8"))["run_id"]
    with mlflow_run.mlflow_errors():
        client = mlflow.MlflowClient(f"sqlite:///{run / 'mlruns' / 'mlflow.db'}")
        assert client.get_run(run_id).info.status == "FAILED"
    trained(run, "mlflow", resume=True)
    with mlflow_run.mlflow_errors():
        (experiment,) = [one for one in client.search_experiments() if one.name == "utad"]
        (found,) = client.search_runs([experiment.experiment_id])
        losses = {point.step: point.value for point in client.get_metric_history(run_id, "expert_net/loss")}
    assert found.info.run_id == run_id
    assert found.info.status == "FINISHED"
    assert found.info.run_name == run.name
    assert found.data.params["ie_training.steps"] == "6"
    assert found.data.params["preset"] == "fast"
    assert losses == pytest.approx(tiny.curve(run / "metrics.csv", "expert_net", "loss"), rel=1e-5)
    assert {f"ie_net/{term}" for term in tiny.IE_TERMS} < found.data.metrics.keys()
    # A second training in this process finds its own folder.
    assert mlflow_run.ADDRESS_VARIABLE not in os.environ
    assert str(run) not in mlflow.get_tracking_uri()


def test_a_server_that_does_not_answer_is_an_error_that_says_how_to_go_on(mlflow, tmp_path, monkeypatch):
    monkeypatch.setenv(mlflow_run.ADDRESS_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrainingError, match=r"MLflow does not take the losses .*--resume goes on"):
        loggers_of(["mlflow"], tmp_path, tiny.config(), stage="ie_net", first=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["100%20", "what?"])
def test_a_folder_that_mlflows_address_cannot_name_is_refused(mlflow, tmp_path, name):
    with pytest.raises(ConfigError, match=r"can have no \? and no %"):
        check_trackers(["mlflow"], tmp_path / name)
