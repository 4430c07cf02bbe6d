"""UTAD as a model of anomalib (extra `anomalib`): trained, tested and exported by its Engine and its command line.

anomalib train --model utad.integrations.anomalib.Utad --data MVTecAD --data.category bottle
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from utad.config import load_config
from utad.dependencies import extras_named
from utad.errors import ConfigError, DatasetError, NotFittedError
from utad.export.graph import ExportGraph, MaskRule

with extras_named():
    from anomalib import LearningType
    from anomalib.data import Batch, InferenceBatch
    from anomalib.metrics import Evaluator
    from anomalib.models.components import AnomalibModule, MemoryBankMixin
    from anomalib.visualization import Visualizer

if TYPE_CHECKING:
    from utad.detector import UTAD

_DETECTOR = "utad_detector"
"""Where a checkpoint has the model file of the detector."""

_MAX_BATCH = 4
"""Images that are scored at a time: maps are as large as images, whatever the batch of the data module."""


def bounded(scores: Tensor) -> Tensor:
    """Scores of UTAD as anomalib takes them: in the same order, between 0 and 1, and 0.5 where they are 0.5.

    UTAD's have no bounds. anomalib's metrics take a batch that has a value below 0 or above 1 for logits, and its
    pictures overflow; scores that are clipped, as its own post-processor does, are no longer in order.

    Args:
        scores: normalised, s, of any shape.

    Returns:
        1/2 + u / (2 + 2 |u|) with u = 2 s - 1: 0.25 for 0, a typical normal image, and 0.75 for 1.
    """
    u = 2 * scores - 1
    return 0.5 + u / (2 + 2 * u.abs())


def unbounded(scores: Tensor) -> Tensor:
    """The scores of UTAD from those that `bounded` gave, as far as their digits go."""
    w = 2 * scores - 1
    return 0.5 + w / (2 - 2 * w.abs())


class UtadModel(nn.Module):
    """What anomalib scores with and exports: from its images to scores, labels, maps and masks, in one graph."""

    def __init__(self) -> None:
        super().__init__()
        self.graph: ExportGraph | None = None

    def use(self, detector: UTAD) -> None:
        """Scores with a fitted detector from now on, as its exports do."""
        assert detector.network_ is not None
        self.graph = ExportGraph(detector.network_, MaskRule(detector.config.mask, detector.threshold)).eval()

    def forward(self, images: Tensor) -> InferenceBatch:
        """Scores images.

        Args:
            images: `(N, 3, H, W)` in [0, 1], of any size; values between two of 255 levels are rounded.

        Returns:
            Scores `(N,)` and maps `(N, 1, H, W)` as `bounded` gives them, labels and masks.

        Raises:
            NotFittedError: before training.
        """
        if self.graph is None:
            raise NotFittedError("Utad is not trained: call Engine.fit, or load a checkpoint")
        levels = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)  # (N, H, W, 3)
        score, _, anomaly_map, mask, *_ = self.graph(levels)
        return InferenceBatch(
            pred_score=bounded(score),
            pred_label=score > self.graph.mask.threshold,
            anomaly_map=bounded(anomaly_map)[:, None],
            pred_mask=mask[:, None],
        )


class Utad(MemoryBankMixin, AnomalibModule):  # type: ignore[misc]
    """UTAD under anomalib's Engine.

    One pass over the data module collects the files of the normal images; `UTAD.fit` is trained on them, read by this
    package. Labels and masks are UTAD's own, with a threshold from normal images alone: validation and test images
    change nothing of it, and there is no post-processor that would clip scores. Scores and maps are UTAD's in the
    bounds that anomalib needs, see `bounded`.

    Args:
        preset: as for `UTAD`.
        overrides: `section.key=value` on top of it; tiles, alignment and frames are outside of a graph, and refused.
        seed: of everything random.
        evaluator: of anomalib; True for its own, False for none.
        visualizer: of anomalib; True for its own, False for none.

    Attributes:
        detector: the `UTAD` that is trained, with `save` for what the rest of this package takes.

    Raises:
        ConfigError: if a setting is wrong or refused here.
    """

    def __init__(
        self,
        preset: str = "fast",
        overrides: Sequence[str] = (),
        seed: int = 0,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        super().__init__(pre_processor=False, post_processor=False, evaluator=evaluator, visualizer=visualizer)
        from utad.detector import UTAD

        config = load_config(preset, overrides=overrides, seed=seed)
        image = config.image
        beside = {"tile": image.tile is not None, "align": image.align != "none", "letterbox": image.letterbox}
        for setting, there in beside.items():
            if there:
                raise ConfigError(
                    f"image.{setting} is set, and anomalib scores whole images as they are: leave it out, or use "
                    "utad train and utad predict"
                )
        self.detector = UTAD(config=config)
        self.model = UtadModel()
        self._normal: set[str] = set()

    def training_step(self, batch: Batch, *_: Any) -> Tensor:
        """Takes down the files of a batch.

        Raises:
            DatasetError: if an image is labelled as anomalous, or comes from no file.
        """
        if batch.image_path is None:
            raise DatasetError("got images without image_path, expected those of a data module that reads files")
        if batch.gt_label is not None and bool(batch.gt_label.any()):
            raise DatasetError("got an anomalous image to train on, expected normal ones alone")
        self._normal.update(batch.image_path)
        return torch.zeros((), device=self.device, requires_grad=True)

    @torch.inference_mode(mode=False)
    @torch.enable_grad()
    def fit(self) -> None:
        """Trains the detector; called once, before the first validation or at the end of the epoch."""
        self._use(self.detector.fit([Path(path) for path in sorted(self._normal)]))

    def validation_step(self, batch: Batch, *_: Any) -> Batch:
        """Scores a batch."""
        with torch.device(self.device) if self.device.type != "cpu" else nullcontext():
            parts = [self.model(part) for part in torch.split(batch.image, _MAX_BATCH)]
        return batch.update(**{name: torch.cat([getattr(part, name) for part in parts]) for name in parts[0]._fields})

    def test_step(self, batch: Batch, *_: Any) -> Batch:
        """Scores a batch."""
        return self.validation_step(batch)

    def predict_step(self, batch: Batch, *_: Any) -> Batch:
        """Scores a batch."""
        return self.validation_step(batch)

    @staticmethod
    def configure_optimizers() -> None:
        """None: `UTAD.fit` has its own."""

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """One pass, on one device."""
        return {"max_epochs": 1, "num_sanity_val_steps": 0, "devices": 1}

    @property
    def learning_type(self) -> LearningType:
        """From normal images alone."""
        return LearningType.ONE_CLASS

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Puts the detector into the checkpoint as its model file, and not as tensors beside it."""
        super().on_save_checkpoint(checkpoint)
        if self.model.graph is None:
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "detector.safetensors"
            self.detector.save(path, graph=False)
            checkpoint[_DETECTOR] = torch.from_numpy(np.fromfile(path, np.uint8))
        for name in self._tensors():
            checkpoint["state_dict"].pop(name, None)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reads the detector back.

        Raises:
            ModelFileError: if it is damaged or of a newer version.
        """
        super().on_load_checkpoint(checkpoint)
        if _DETECTOR not in checkpoint:
            return
        from utad.detector import UTAD

        with TemporaryDirectory() as folder:
            path = Path(folder) / "detector.safetensors"
            checkpoint[_DETECTOR].cpu().numpy().tofile(path)
            self._use(UTAD.load(path))
        checkpoint["state_dict"].update(self._tensors())

    def _use(self, detector: UTAD) -> None:
        self.detector = detector
        self.model.use(detector)
        self.model.to(self.device)

    def _tensors(self) -> dict[str, Tensor]:
        return self.model.state_dict(prefix="model.")
