"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022).

Features averaged over 3x3 neighbourhoods, a coreset of 10 % of the patches chosen greedily, the distance to the
nearest of them; the image's score is the distance of its farthest patch, weighted by how crowded the memory is
around that patch's neighbour (equation 7 there, b = 9); maps smoothed by a Gaussian of sigma 4.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from utad.baselines.baseline import Baseline, Scores
from utad.baselines.departures import Departures
from utad.baselines.features import FrozenFeatures, smooth
from utad.scoring.neighbours import select_coreset
from utad.scoring.perceptual import upsample

CORESET_SHARE = 0.1
MAX_CANDIDATES = 60_000
NEIGHBOURS = 9
SIGMA = 4.0


class PatchCore(Baseline):
    """A memory of normal patches."""

    name = "patchcore"
    departs: ClassVar[Departures] = Departures(
        source="Roth et al., CVPR 2022",
        changes=(
            "features of EfficientNet-Lite0, as UTAD's, instead of WideResNet-50",
            f"the coreset is chosen from {MAX_CANDIDATES} patches at the most",
        ),
        source_steps="",
        label="",
    )

    def learn(self, images: Tensor) -> None:
        """Fills the memory."""
        self.features_ = FrozenFeatures()
        patches = torch.cat([_rows(self._vectors(batch)) for batch in torch.split(images, 16)])
        if len(patches) > MAX_CANDIDATES:
            patches = patches[torch.randperm(len(patches))[:MAX_CANDIDATES]]
        self.memory_ = patches[select_coreset(patches, max(1, round(CORESET_SHARE * len(patches))), self.seed)]

    def score(self, images: Tensor) -> Scores:
        """Distances to the memory."""
        self.check_fitted()
        vectors = self._vectors(images)
        side = vectors.shape[-1]
        rows = _rows(vectors)
        distances = torch.cdist(rows, self.memory_)
        nearest, neighbour = distances.min(dim=1)
        maps = nearest.reshape(-1, side, side)
        per_image = zip(*(torch.split(values, side**2) for values in (rows, nearest, neighbour)), strict=True)
        scores = [reweighted(patches, near, which, self.memory_) for patches, near, which in per_image]
        return Scores(torch.stack(scores), smooth(upsample(maps, self.size), SIGMA * self.size / 256))

    def _vectors(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(self.features_(images), 3, stride=1, padding=1, count_include_pad=False)


def reweighted(patches: Tensor, nearest: Tensor, neighbour: Tensor, memory: Tensor, b: int = NEIGHBOURS) -> Tensor:
    """The image score: s* (1 - exp |m* - x*| / sum over the b neighbours m of m* of exp |m - x*|).

    Args:
        patches: of one image, `(P, C)`.
        nearest: their distances to the memory, `(P,)`.
        neighbour: which patch of the memory is nearest, `(P,)`.
        memory: `(M, C)`.
        b: number of neighbours of m*, itself among them.
    """
    farthest = int(nearest.argmax())
    if len(memory) < 2:
        return nearest[farthest]
    centre = memory[neighbour[farthest]]
    around = torch.cdist(centre[None], memory)[0].topk(min(b, len(memory)), largest=False).indices
    distances = (memory[around] - patches[farthest]).norm(dim=1)
    # exp of distances overflows; a softmax over them is the same quotient.
    weight = 1.0 - torch.softmax(distances, dim=0)[0]
    return weight * nearest[farthest]


def _rows(vectors: Tensor) -> Tensor:
    """`(N, C, g, g)` to `(N * g * g, C)`."""
    return vectors.permute(0, 2, 3, 1).reshape(-1, vectors.shape[1])
