"""Training checkpoints: written atomically, read without unpickling code, tied to one config and one data set."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from typing_extensions import override

from utad.errors import TrainingError
from utad.files import atomic_path

_MAGIC = b"utad checkpoint 1\n"


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's own writer moves from the system's temporary folder, which is not atomic across disks."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        payload = io.BytesIO()
        torch.save(checkpoint, payload)
        content = payload.getbuffer()
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            file.write(_MAGIC + hashlib.sha256(content).digest())
            file.write(content)

    @override
    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        # Lightning's own temporary files of several processes come this way too, and hold a bare state.
        return _read(Path(path))

    @override
    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; a payload in it is refused, never run.

    Raises:
        TrainingError: if the file is damaged or holds more than tensors and plain values.
    """
    checkpoint = _read(path)
    if "state_dict" not in checkpoint:
        raise TrainingError(f"{path} is not a training checkpoint: delete it to start its stage again")
    return checkpoint


def _read(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"the checkpoint {path} cannot be read ({error.strerror or error})") from None
    head = len(_MAGIC) + hashlib.sha256().digest_size
    if not content.startswith(_MAGIC) or hashlib.sha256(content[head:]).digest() != content[len(_MAGIC) : head]:
        raise TrainingError(
            f"{path} is damaged, or not a training checkpoint of utad: delete it to start its stage again"
        )
    try:
        checkpoint = torch.load(io.BytesIO(content[head:]), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"the checkpoint {path} cannot be read ({reason}): delete it to start its stage again"
        ) from None
    if not isinstance(checkpoint, dict):
        raise TrainingError(f"{path} is not a training checkpoint: delete it to start its stage again")
    return checkpoint


class StageCheckpoint(pl.Callback):
    """Saves at the end of every epoch, that is every `checkpoint_every` steps.

    Args:
        path: of the one checkpoint of the stage, replaced each time.
        identity: what a resumed run must agree in, stored with the checkpoint.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self.path = path
        self.identity = dict(identity)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.save_checkpoint(self.path)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["utad"] = dict(self.identity)


def check_identity(checkpoint: Mapping[str, Any], identity: Mapping[str, str], path: Path) -> None:
    """Refuses to resume with other data, another config or another version.

    Raises:
        TrainingError: naming what differs.
    """
    stored = checkpoint.get("utad", {})
    differing = [key for key, value in identity.items() if stored.get(key) != value]
    if differing:
        raise TrainingError(
            f"{path} belongs to another run: its {' and '.join(differing)} differ. Resume with the same data and "
            "settings, or train into another folder"
        )
