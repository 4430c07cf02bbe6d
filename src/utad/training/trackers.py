"""Experiment trackers: where a training can write its losses to beside `metrics.csv`, through Lightning's loggers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pytorch_lightning.loggers import Logger

from utad.config import Config
from utad.dependencies import require
from utad.errors import ConfigError
from utad.training.mlflow_run import check_mlflow, mlflow_errors, mlflow_logger
from utad.training.tensorboard import tensorboard_logger

TRACKERS = ("tensorboard", "mlflow")

POINTS = 100
"""Of a stage that a tracker gets, about: a database is slow to take one. `metrics.csv` has every step."""


def check_trackers(names: Sequence[str], directory: Path | None) -> None:
    """Refuses, before anything is read, trackers that cannot be written to.

    Args:
        names: some of `TRACKERS`.
        directory: of the run; None where none is kept.

    Raises:
        ConfigError: if one is unknown, there is no folder for them, or MLflow's database cannot lie in it.
        MissingDependencyError: if the package of one is not installed.
    """
    unknown = [name for name in names if name not in TRACKERS]
    if unknown:
        raise ConfigError(f"got logger {', '.join(unknown)}, expected some of {', '.join(TRACKERS)}")
    if names and directory is None:
        raise ConfigError(f"{', '.join(names)} goes beside the model: give an output folder too")
    if "tensorboard" in names:
        require("tensorboard")
    if "mlflow" in names and directory is not None:
        check_mlflow(directory)


def loggers_of(names: Sequence[str], directory: Path, config: Config, *, stage: str, first: int) -> list[Logger]:
    """Lightning's loggers for a stage.

    Args:
        names: some of `TRACKERS`.
        directory: of the run.
        config: what MLflow shows as the parameters of the run.
        stage: name of the stage.
        first: the step that it begins with, more than 0 when it is resumed.

    Raises:
        TrainingError: if MLflow cannot be written to.
    """
    loggers: list[Logger] = []
    if "tensorboard" in names:
        loggers.append(tensorboard_logger(directory, stage, first))
    if "mlflow" in names:
        loggers.append(mlflow_logger(directory, stage, config))
    return loggers


@contextmanager
def tracker_errors(names: Sequence[str]) -> Iterator[None]:
    """Turns what a tracker raises in the block into an error of ours.

    Raises:
        TrainingError: instead of a tracker's own error.
    """
    with mlflow_errors() if "mlflow" in names else nullcontext():
        yield
