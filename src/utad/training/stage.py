"""What the two stages have in common as LightningModules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from utad.config import AugmentConfig, ExpertTrainingConfig, FeatureTrainingConfig, IETrainingConfig, OptimizerConfig
from utad.data.subsets import evenly
from utad.data.synthetic_anomalies import SyntheticAnomalies, add_anomalies
from utad.data.working_region import WorkingRegion
from utad.errors import NonFiniteLossError
from utad.seeding import generator_for
from utad.training.batches import StepBatches

EXAMPLES = 4
"""Images that show how a training goes."""


class Stage(pl.LightningModule):
    """One stage of training; an epoch is the steps between two checkpoints.

    Args:
        name: `ie_net`, `expert_net`, `feature_net`, or one that begins like the last.
        images: all training images, `(N, C, S, S)` float32 in [0, 1], or features of them.
        augmentation: applied to each batch; None leaves it as it is.
        settings: length, batch size, optimiser and weights.
        total_steps: optimiser steps of the stage.
        seed: of the run.
        region: what counts of the images; None for all of them, and for features.

    Attributes:
        shows: what `restored` gives, `impression` or `reconstruction`; empty for a stage that restores no image.
    """

    shows = ""

    def __init__(
        self,
        name: str,
        images: Tensor,
        augmentation: AugmentConfig | None,
        settings: IETrainingConfig | ExpertTrainingConfig | FeatureTrainingConfig,
        total_steps: int,
        seed: int,
        region: WorkingRegion | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.settings = settings
        self.total_steps = total_steps
        self.seed = seed
        self._images = images
        self._augmentation = augmentation
        self._region = region
        self.term_values: dict[str, float] = {}

    def on_train_start(self) -> None:
        """Puts the layers into training mode: Lightning leaves them as they were handed over."""
        self.train()

    def example_rows(self) -> Tensor:
        """Which of the images show how the training goes, evenly from all, `(E,)` int64."""
        return evenly(len(self._images), EXAMPLES)

    def examples(self) -> Tensor:
        """These images, `(E, C, S, S)`."""
        return self._images[self.example_rows()]

    def restored(self, images: Tensor) -> Tensor:
        """What the stage makes of images `(N, C, S, S)`, of the same shape; themselves if it restores none."""
        return images

    def train_dataloader(self) -> DataLoader[Tensor]:
        """The batches up to the next checkpoint; Lightning asks anew at each epoch."""
        first = self.global_step
        batches = StepBatches(
            self._images,
            self._augmentation,
            batch_size=self.settings.batch_size,
            seed=self.seed,
            stage=self.name,
            first=first,
            last=min(first + self.settings.checkpoint_every, self.total_steps),
            rank=self.global_rank,
            world_size=self.trainer.world_size,
            region=self._region,
        )
        return DataLoader(batches, batch_size=None)

    def configure_optimizers(self) -> Any:
        """The optimiser of the config, stepped by its schedule."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        # Lightning refuses to clip what a fused optimiser steps, wherever precision is mixed.
        optimizer = build_optimizer(trained, self.settings.optimizer, fused=self.settings.gradient_clip == 0)
        if self.settings.optimizer.schedule == "constant":
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.settings.optimizer.learning_rate,
            total_steps=self.total_steps,
            pct_start=_warm_up(self.total_steps),
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def n_processes(self) -> int:
        """That share each batch; 1 without a trainer."""
        return self.trainer.world_size if self._trainer is not None else 1

    def noise(self, like: Tensor, purpose: str) -> Tensor:
        """Standard normal numbers for the part of a batch that this process has.

        They are drawn for the whole batch: those of an image do not depend on how many processes there are.

        Args:
            like: what they are for, `(N, ...)`.
            purpose: of the generator.

        Returns:
            Of the shape and on the device of `like`.
        """
        count = len(like) if self.n_processes == 1 else min(self.settings.batch_size, len(self._images))
        generator = generator_for(self.seed, f"{purpose}/0", self.global_step)
        drawn = torch.randn(count, *like.shape[1:], generator=generator)
        return drawn[self.global_rank :: self.n_processes].to(like)

    def with_anomalies(self, images: Tensor, count: int) -> SyntheticAnomalies:
        """A batch whose first images have a synthetic anomaly each, of content of the others (docs/adr/0015).

        Args:
            images: `(N, C, S, S)` float32 in [0, 1], N at least 2; they are not changed.
            count: how many of them, from 0 to N.

        Returns:
            Images of the same shape, and a mask `(N, S, S)` that is false for all others.
        """
        unchanged = torch.zeros(images.shape[0], *images.shape[2:], dtype=torch.bool)
        if count == 0:
            return SyntheticAnomalies(images, unchanged)
        generator = generator_for(self.seed, f"{self.name}/anomalies/{self.global_rank}", self.global_step)
        inside = self._region.touched if self._region is not None else None
        donors = images.roll(1, dims=0)[:count]
        changed = add_anomalies(images[:count], donors, self.global_step, generator, inside=inside)
        return SyntheticAnomalies(
            torch.cat([changed.images, images[count:]]), torch.cat([changed.mask, unchanged[count:]])
        )

    def weighted_sum(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], watched: Mapping[str, Tensor]
    ) -> Tensor:
        """The loss of the stage, checked to be finite and logged by its terms.

        Args:
            terms: named scalars of the objective.
            weights: of each term.
            watched: scalars that are logged but not trained on.

        Raises:
            NonFiniteLossError: naming the stage, the step and the terms at fault.
        """
        faulty = [name for name, value in terms.items() if not bool(torch.isfinite(value))]
        if faulty:
            raise NonFiniteLossError(
                f"stage {self.name}, step {self.global_step}: the loss is not finite "
                f"(term {', '.join(faulty)}). Lower {self._section()}.optimizer.learning_rate or set precision=fp32"
            )
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        self.term_values = self._over_processes({"loss": loss, **terms, **watched})
        for name, value in self.term_values.items():
            shown = name not in watched
            self.log(name, value, prog_bar=shown, batch_size=self.settings.batch_size)
        return loss

    def _over_processes(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The values, means over the processes: each knows those of its part of the batch."""
        kept = torch.stack([value.detach().float() for value in values.values()])
        if self.n_processes > 1:
            kept = cast(Tensor, self.trainer.strategy.reduce(kept, reduce_op="mean"))
        return dict(zip(values, kept.tolist(), strict=True))

    def _section(self) -> str:
        return f"{self.name.split('_net')[0]}_training"


def _warm_up(steps: int) -> float:
    """The part of all steps in which the learning rate rises."""
    # Torch divides by the steps of this part less one: of 5 steps a fifth would be exactly one.
    return 0.4 if steps == 5 else 0.2


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig, *, fused: bool = True
) -> torch.optim.Optimizer:
    """The optimiser that the config names.

    Args:
        parameters: to train.
        config: name and settings.
        fused: one pass over all parameters instead of one per parameter and operation.
    """
    rate, decay = config.learning_rate, config.weight_decay
    if config.name == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay, fused=fused)
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=config.betas, weight_decay=decay, fused=fused)
