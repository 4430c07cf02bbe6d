"""What a network makes of a few of its training images, kept at a few steps of its training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone gives it
from torch import Tensor
from typing_extensions import override

from utad.training.stage import Stage

SIDE = 128
"""Largest side of a kept picture, in pixels: those of a stage take at most 1 MB of its checkpoint."""

_MOMENTS = (0.02, 0.1, 0.25, 0.5, 1.0)
"""Parts of the training after which they are taken: most is learnt early."""

_KEY = "utad snapshots"


class Snapshots(pl.Callback):
    """Takes the snapshots of a stage, and keeps them in its checkpoint, so that a resumed training has them all.

    The network is asked in evaluation mode and without random numbers: its training goes on as if nobody had asked.

    Args:
        images: that the snapshots are of, `(E, C, S, S)` float32 in [0, 1].
        total_steps: of the stage.

    Attributes:
        taken: by the number of steps done, `(E, C, s, s)` uint8, s at most `SIDE`.
    """

    def __init__(self, images: Tensor, total_steps: int) -> None:
        self.taken: dict[int, Tensor] = {}
        self._images = images
        self._moments = {max(1, round(share * total_steps)) for share in _MOMENTS}

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.is_global_zero or trainer.global_step not in self._moments:
            return
        assert isinstance(pl_module, Stage)
        pl_module.eval()
        with torch.no_grad():
            self.taken[trainer.global_step] = levels(pl_module.restored(self._images.to(pl_module.device)))
        pl_module.train()

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[_KEY] = dict(self.taken)

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.taken = snapshots_of(checkpoint)


def snapshots_of(checkpoint: dict[str, Any]) -> dict[int, Tensor]:
    """Those that a checkpoint holds, as in `Snapshots.taken`."""
    return dict(checkpoint.get(_KEY, {}))


def levels(images: Tensor) -> Tensor:
    """Pictures `(E, C, S, S)`, meant to lie in [0, 1], as `(E, C, s, s)` uint8, s at most `SIDE`."""
    pictures = images.detach().float().cpu()
    if pictures.shape[-1] > SIDE:
        pictures = F.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return (pictures.nan_to_num(nan=0.0).clamp(0, 1) * 255).round().to(torch.uint8)
