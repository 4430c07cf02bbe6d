"""Losses for TensorBoard: a folder of event files for each stage, in `tensorboard/` of the run."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning.loggers import TensorBoardLogger

FOLDER = "tensorboard"


def tensorboard_logger(directory: Path, stage: str, first: int) -> TensorBoardLogger:
    """The logger of a stage.

    Args:
        directory: of the run.
        stage: its name.
        first: the step that it begins with: what an interrupted run wrote from there on is not shown.
    """
    return TensorBoardLogger(directory / FOLDER, name=stage, version="", purge_step=first if first > 0 else None)
