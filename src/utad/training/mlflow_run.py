"""One MLflow run for a training: its settings are the parameters, `STAGE/TERM` are the metrics.

Without `MLFLOW_TRACKING_URI` it is in a database in `mlruns/` of the run's folder, and nothing goes over a network.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from utad.config import Config
from utad.dependencies import require
from utad.errors import ConfigError, MissingDependencyError, TrainingError
from utad.files import output_errors, write_atomically

ADDRESS_VARIABLE = "MLFLOW_TRACKING_URI"
FOLDER = "mlruns"
RUN_FILE = "mlflow.json"
"""Beside the model: which run of MLflow this is, for a resumed training, and for who looks for it there."""

_EXPERIMENT = "utad"
_LONGEST = 250
"""Characters of a parameter; of more the first."""


class _StageLogger(MLFlowLogger):
    LOGGER_JOIN_CHAR = "/"  # MLflow shows what is before it as a group


def check_mlflow(directory: Path) -> None:
    """Refuses what could not be written to in the end.

    Raises:
        ConfigError: if the folder has a name that the address of a database cannot have.
        MissingDependencyError: if MLflow, or what its databases need, is not installed.
    """
    _imported()
    if os.environ.get(ADDRESS_VARIABLE):
        return
    # The package mlflow-skinny is MLflow without it.
    if find_spec("sqlalchemy") is None:
        raise MissingDependencyError(
            "sqlalchemy is needed for MLflow on this computer and not installed: pip install 'utad[mlflow]', or name a "
            f"server in {ADDRESS_VARIABLE}"
        )
    if set("?%") & set(str(directory.absolute())):
        raise ConfigError(
            f"got {directory} for MLflow's database, whose address can have no ? and no %: choose another folder, or "
            f"name a server in {ADDRESS_VARIABLE}"
        )


def mlflow_logger(directory: Path, stage: str, config: Config) -> MLFlowLogger:
    """Lightning's logger for a stage, of the run that `mlflow.json` in the folder names, or else of a new one.

    Args:
        directory: of the training; its name is that of the run.
        stage: name of the stage.
        config: its settings become the parameters of a new run.

    Raises:
        TrainingError: if MLflow refuses, or its server does not answer.
    """
    address = _address(directory)
    with mlflow_errors():
        client = _imported().MlflowClient(address)
        run_id = _known_run(client, directory)
        if run_id is None:
            run_id = _new_run(client, directory, config)
            text = json.dumps({"run_id": run_id}) + "\n"
            write_atomically(directory / RUN_FILE, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        client.update_run(run_id, status="RUNNING")
        return _StageLogger(run_id=run_id, tracking_uri=address, prefix=stage)


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Turns MLflow's errors into ours, keeps its advice out of the log, and its address out of the process.

    Lightning's logger sets the address for the whole process, and a further training would take it for the user's.

    Raises:
        TrainingError: instead of MLflow's own error.
    """
    mlflow = _imported()
    before, logger = os.environ.get(ADDRESS_VARIABLE), logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="mlflow|sqlalchemy|alembic")
            yield
    except _its_errors() as error:
        raise TrainingError(
            f"MLflow does not take the losses ({str(error).splitlines()[0]}). The same command with --resume goes on, "
            "and without the logger mlflow it does so without MLflow"
        ) from error
    finally:
        logger.setLevel(level)
        mlflow.set_tracking_uri(before)


def _its_errors() -> tuple[type[Exception], ...]:
    own = (_imported().exceptions.MlflowException,)
    return (*own, require("sqlalchemy.exc").SQLAlchemyError) if find_spec("sqlalchemy") else own


def _imported() -> Any:
    # MLflow looks when it is imported: it is to report its use to nobody.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return require("mlflow")


def _address(directory: Path) -> str:
    given = os.environ.get(ADDRESS_VARIABLE)
    if given:
        return given
    folder = directory.absolute() / FOLDER
    with output_errors(folder):
        folder.mkdir(exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def _known_run(client: Any, directory: Path) -> str | None:
    """The run of an earlier command in this folder, where MLflow still knows it."""
    try:
        run_id = json.loads((directory / RUN_FILE).read_text(encoding="utf-8"))["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        found = client.get_run(str(run_id))
    except _imported().exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return str(found.info.run_id)


def _new_run(client: Any, directory: Path, config: Config) -> str:
    mlflow = _imported()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        local = not os.environ.get(ADDRESS_VARIABLE)
        artifacts = (directory.absolute() / FOLDER / "artifacts").as_uri() if local else None
        number = client.create_experiment(name, artifact_location=artifacts)
    else:
        number = experiment.experiment_id
    run = client.create_run(number, run_name=directory.resolve().name)
    values = [mlflow.entities.Param(key, str(value)[:_LONGEST]) for key, value in _flat(config.model_dump(mode="json"))]
    client.log_batch(run.info.run_id, params=values)
    return str(run.info.run_id)


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The settings by their dotted names, as `--set` takes them."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
