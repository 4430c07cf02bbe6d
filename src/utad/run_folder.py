"""The folder of a run: model, the graph in `openvino/`, `config.yaml`, `metrics.csv`, `checkpoints/`, `report.html`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from utad.config import Config
from utad.errors import ModelFileError, OutputError, noted
from utad.files import output_errors, write_atomically
from utad.output_folder import OutputFolder, output_folder

MODEL_NAME = "model.safetensors"
CONFIG_NAME = "config.yaml"
REPORT_NAME = "report.html"
GRAPH_FORMAT: Literal["openvino"] = "openvino"
"""The format of the graph beside a model, and the name of its folder."""

PURPOSE = "run"
_EXPECTED = "expected a model file, or the folder of a finished run, which utad train wrote to"
_OF_A_RUN = (MODEL_NAME, GRAPH_FORMAT, CONFIG_NAME, "checkpoints", "metrics.csv", "tensorboard")
_FILES = (
    *(MODEL_NAME, CONFIG_NAME, "metrics.csv", "checkpoints/*.ckpt"),
    *(f"{GRAPH_FORMAT}/manifest.json", f"{GRAPH_FORMAT}/detector.*", f"{GRAPH_FORMAT}/normal_images.npz"),
    *("tensorboard/*/events.out.tfevents.*", "tensorboard/*/hparams.yaml"),
)
"""What a run is removed by: other files that somebody put beside these stay."""


@contextmanager
def run_folder(
    directory: Path,
    *,
    resume: bool = False,
    replace: bool = False,
    report: bool = False,
    apart_from: Iterable[Path] = (),
) -> Iterator[OutputFolder]:
    """Takes a folder for a run, for this process alone; nothing is written to it before `begin_run`.

    Args:
        directory: made if need be; removed again if nothing came into it.
        resume: go on with what is there.
        replace: an earlier run may be there, and is deleted when this one begins.
        report: a report is to be written to it.
        apart_from: inputs that it must neither hold nor lie in.

    Raises:
        OutputError: if the folder holds a run and neither is asked for, holds files that are not ours where those of a
            run would be, overlaps an input, is taken by another process, or cannot be written.
    """
    with output_folder(directory, PURPOSE, apart_from=apart_from) as folder:
        found = _what_makes_a_run(directory)
        if found and resume:
            folder.adopt(_OF_A_RUN)
        elif found and not replace:
            raise OutputError(
                f"{directory} already holds a run ({', '.join(found)}): choose another folder, delete it, or resume "
                "it (--resume)"
            )
        folder.refuse_others(_OF_A_RUN)
        if report:
            folder.refuse_others([REPORT_NAME])
            folder.refuse_of_other_purposes([REPORT_NAME], instead="leave the report out (--no-report)")
        with noted(lambda: _kept(directory)):
            yield folder


def begin_run(folder: OutputFolder, config: Config, *, resume: bool) -> None:
    """Puts the config into the folder of a run, after an earlier run in it is removed; not if that is resumed.

    Raises:
        OutputError: if that is not possible.
    """
    directory = folder.directory
    if not (resume and _what_makes_a_run(directory)):
        for path in [path for pattern in _FILES for path in directory.glob(pattern)]:
            with output_errors(path):
                path.unlink()
            folder.remove_empty(path.parent)
        folder.remove(REPORT_NAME)
    folder.own(_OF_A_RUN)
    if not (directory / CONFIG_NAME).exists():
        write_config(directory, config)


def write_report(folder: OutputFolder, page: str) -> None:
    """Writes the report of a finished run.

    Raises:
        OutputError: if that is not possible; it says that the model is there.
    """
    try:
        folder.write_text(REPORT_NAME, page)
    except OutputError as error:
        raise OutputError(
            f"{error}. The model is finished, {folder.directory / MODEL_NAME}, and the same command with --resume "
            "writes the report"
        ) from error


def find_model(path: Path) -> Path:
    """The model file that `path` names: itself, or the one in a run's folder.

    Raises:
        ModelFileError: if there is none.
    """
    if path.is_dir():
        inside = path / MODEL_NAME
        if not inside.is_file():
            raise ModelFileError(f"the folder {path} holds no {MODEL_NAME}: {_instead_of_a_model(path)}")
        return inside
    if not path.is_file():
        raise ModelFileError(f"there is no model at {path}: {_EXPECTED}")
    return path


def how_to_write(folder: Path, model: Path) -> str:
    """The command that writes the graph of a model to the folder beside it that has the name of the format."""
    run, output = shlex.quote(str(model.parent)), shlex.quote(str(folder))
    return f"utad export {run} --format {folder.name} --output {output}"


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


def _instead_of_a_model(directory: Path) -> str:
    if _what_makes_a_run(directory):
        return "its training has not finished; the same utad train with --resume goes on"
    return f"{_EXPECTED}; an exported folder is for predict, evaluate, calibrate and utad.load_detector alone"


def _kept(directory: Path) -> str:
    if _what_makes_a_run(directory):
        return f"what is trained is kept in {directory / 'checkpoints'}; the same command with --resume goes on"
    return "nothing was kept yet; run the same command again"


def _what_makes_a_run(directory: Path) -> list[str]:
    """Model and checkpoints: a folder without either has nothing to lose, whatever else a failed command left."""
    found = [MODEL_NAME] if (directory / MODEL_NAME).exists() else []
    return found + (["checkpoints"] if any(directory.glob("checkpoints/*.ckpt")) else [])
