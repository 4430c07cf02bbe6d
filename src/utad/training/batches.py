"""Training batches addressed by step number, so that resuming at a step needs nothing but its number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from utad.config import AugmentConfig
from utad.data.augment import mapped, random_affine
from utad.data.working_region import WorkingRegion
from utad.seeding import generator_for


class StepBatches(Dataset[Tensor]):
    """The augmented batches of the steps `first` to `last` (exclusive) of one stage.

    The images are passed through in a new order each time round; a batch may span two rounds.

    Args:
        images: `(N, C, S, S)` float32 in [0, 1], N at least 2.
        augmentation: how each image is changed; None leaves them as they are.
        batch_size: images per step over all processes; lowered to N.
        seed: of the run.
        stage: `ie_net`, `expert_net` or `feature_net`; the stages see different orders.
        first: first step.
        last: step to stop before.
        rank: of this process.
        world_size: number of processes that share each batch.
        region: outside of which an augmented image has its fill again; None for the whole image.
    """

    def __init__(
        self,
        images: Tensor,
        augmentation: AugmentConfig | None,
        *,
        batch_size: int,
        seed: int,
        stage: str,
        first: int,
        last: int,
        rank: int = 0,
        world_size: int = 1,
        region: WorkingRegion | None = None,
    ) -> None:
        self.images = images
        self.augmentation = augmentation
        self.batch_size = min(batch_size, len(images))
        self.seed = seed
        self.stage = stage
        self.first = first
        self.last = last
        self.rank = rank
        self.world_size = world_size
        self.region = region

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __getitem__(self, index: int) -> Tensor:
        if index >= len(self):
            raise IndexError(index)
        step = self.first + index
        share = slice(self.rank, None, self.world_size)
        chosen = self._indices(step)[share]
        if self.augmentation is None:
            return self.images[chosen]
        # For the whole batch: what is drawn for an image does not depend on how many processes there are.
        generator = generator_for(self.seed, f"{self.stage}/augment/0", step)
        maps = random_affine(self.batch_size, self.augmentation, generator)
        augmented = mapped(self.images[chosen], maps[share])
        return augmented if self.region is None else self.region.refilled(augmented)

    def _indices(self, step: int) -> Tensor:
        count = len(self.images)
        start = step * self.batch_size
        rounds = range(start // count, (start + self.batch_size - 1) // count + 1)
        order = torch.cat(
            [torch.randperm(count, generator=generator_for(self.seed, f"{self.stage}/order", r)) for r in rounds]
        )
        offset = start - rounds[0] * count
        return order[offset : offset + self.batch_size]
