"""The folder of a run: `model.safetensors`, its graph in `openvino/`, `config.yaml`, `metrics.csv`, `checkpoints/`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from utad.config import Config
from utad.errors import ModelFileError, OutputError
from utad.files import make_directory, output_errors, write_atomically

MODEL_NAME = "model.safetensors"
CONFIG_NAME = "config.yaml"
GRAPH_FORMAT: Literal["openvino"] = "openvino"
"""The format of the graph beside a model, and the name of its folder."""

_OF_A_RUN = (MODEL_NAME, GRAPH_FORMAT, CONFIG_NAME, "checkpoints", "metrics.csv", "tensorboard")
_TAKEN_BY = (MODEL_NAME, CONFIG_NAME, "checkpoints")


def prepare_run_folder(directory: Path, config: Config, *, resume: bool, replace: bool) -> None:
    """Makes the folder ready for a run and puts the config in it.

    Args:
        directory: made if need be.
        config: the resolved config of the run.
        resume: go on with what is there.
        replace: delete an earlier run first; what else is in the folder stays.

    Raises:
        OutputError: if the folder holds a run and neither is asked for, or it cannot be written.
    """
    make_directory(directory)
    if not resume:
        taken = [name for name in _TAKEN_BY if (directory / name).exists()]
        if taken and not replace:
            raise OutputError(
                f"{directory} already holds a run ({', '.join(taken)}): choose another folder, delete it, or resume "
                "it (--resume)"
            )
        for name in _OF_A_RUN:
            with output_errors(directory / name):
                _remove(directory / name)
    if not (directory / CONFIG_NAME).exists():
        write_config(directory, config)


def find_model(path: Path) -> Path:
    """The model file that `path` names: itself, or the one in a run's folder.

    Raises:
        ModelFileError: if there is none.
    """
    if path.is_dir():
        inside = path / MODEL_NAME
        if not inside.is_file():
            raise ModelFileError(
                f"the folder {path} holds no {MODEL_NAME}: has its training finished? "
                "(An export is read by utad.load_detector.)"
            )
        return inside
    if not path.is_file():
        raise ModelFileError(f"there is no model at {path}: expected a model file or the folder of a finished run")
    return path


def is_run_folder(directory: Path) -> bool:
    """Whether this is the folder of a run, whatever else is in it."""
    return (directory / CONFIG_NAME).is_file()


def write_config(directory: Path, config: Config) -> None:
    """Writes `config.yaml`, which `utad train --config` reads back.

    Raises:
        OutputError: if that is not possible.
    """
    path = directory / CONFIG_NAME
    write_atomically(path, lambda temporary: temporary.write_text(config.to_yaml(), encoding="utf-8"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
