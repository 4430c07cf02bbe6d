"""The training of an `AnomalibModule` on tensors by Lightning, without the folders that anomalib's Engine writes."""

from __future__ import annotations

import logging
import random
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from utad.dependencies import extras_named
from utad.errors import TrainingError
from utad.training.lightning import stoppable

with extras_named():
    from anomalib.data import ImageBatch
    from lightning.pytorch import LightningDataModule, Trainer
    from lightning.pytorch.utilities.exceptions import SIGTERMException


class NormalImages(LightningDataModule):  # type: ignore[misc]
    """Normal images as anomalib's models expect them, in a new order each epoch.

    Args:
        images: `(N, 3, S, S)` in [0, 1].
        batch_size: of training.
    """

    def __init__(self, images: Tensor, batch_size: int) -> None:
        super().__init__()
        self.images = images
        self.train_batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Batches of anomalib's own kind."""
        return DataLoader(list(self.images), self.train_batch_size, shuffle=True, collate_fn=_as_batch)  # type: ignore[arg-type]


def train_model(module: Any, images: Tensor, *, epochs: int, batch_size: int, seed: int) -> Any:
    """Trains a model of anomalib with its own optimisers.

    Args:
        module: the `AnomalibModule`.
        images: normal ones, `(N, 3, S, S)` in [0, 1], on the device that computes.
        epochs: unless the model itself says how many.
        batch_size: of training.
        seed: of the generators of Python and NumPy; that of torch is the caller's.

    Returns:
        The module, in evaluation mode on the device of the images.

    Raises:
        TrainingError: if anomalib cannot train it on these images.
    """
    own = {"max_epochs": epochs, "devices": 1} | dict(module.trainer_arguments)
    accelerator = "gpu" if images.device.type == "cuda" else images.device.type
    with _quiet(), _seeded(seed), stoppable(), torch.enable_grad():
        trainer = Trainer(**own, accelerator=accelerator, barebones=True, limit_val_batches=0)
        try:
            trainer.fit(module, datamodule=NormalImages(images, batch_size))
        except SIGTERMException:
            raise SystemExit(128 + signal.SIGTERM) from None
        except (RuntimeError, TypeError, ValueError) as error:
            raise TrainingError(f"anomalib could not train {type(module).__name__}: {error}") from error
    return module.to(images.device).eval()


def learnt_numbers(module: Any) -> int:
    """How many numbers the optimisers of a trained model changed; 0 where it has none."""
    optimisers = module.trainer.optimizers
    learnt = {id(one): one.numel() for each in optimisers for group in each.param_groups for one in group["params"]}
    return sum(learnt.values())


def _as_batch(images: Sequence[Tensor]) -> ImageBatch:
    stacked = torch.stack(list(images))
    normal = torch.zeros(len(stacked), dtype=torch.bool, device=stacked.device)
    return ImageBatch(image=stacked, gt_label=normal, gt_mask=torch.zeros_like(stacked[:, 0], dtype=torch.bool))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds the generators of Python and NumPy, from which some models draw, and gives back what they were."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's summaries and its advice, and anomalib's progress, out of the user's log."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "anomalib")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
