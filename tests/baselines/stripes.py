"""Images that a network must have learnt to judge: stripes of high contrast, and the same with a flat grey square.

An auto-encoder that was not trained has less to restore in the square than around it: anomalous images score lowest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from utad.baselines.fitting import TrainedBaseline

SIZE = 32


def normal(count: int, *, seed: int) -> Tensor:
    """Diagonal stripes of any phase with a little noise, `(count, 1, 32, 32)` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="ij")
    phase = 2 * torch.pi * torch.rand(count, 1, 1, generator=generator)
    stripes = 0.5 + 0.4 * torch.sin(2 * torch.pi * (x + y) / 8 + phase)
    return (stripes + 0.02 * torch.randn(count, SIZE, SIZE, generator=generator)).clamp(0, 1)[:, None]


def anomalous(count: int, *, seed: int) -> Tensor:
    """The same with a square of 10 pixels that is as bright as the stripes are on average."""
    images = normal(count, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for image in images:
        top, left = torch.randint(4, 18, (2,), generator=generator).tolist()
        image[:, top : top + 10, left : left + 10] = 0.5
    return images


def auroc(scores: Tensor) -> float:
    """Of the scores of as many normal images as anomalous ones behind them."""
    half = len(scores) // 2
    return float(roc_auc_score([0] * half + [1] * half, scores))


def check_seeds(build: Callable[[], TrainedBaseline]) -> None:
    """The same seed gives the same scores and maps, and another one others.

    Args:
        build: a method with its settings, of a few steps.
    """
    images = normal(8, seed=0)
    scores = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        method = build()
        method.learn(images)
        with torch.no_grad():
            scores.append(method.score(images))
    assert torch.equal(scores[0].image, scores[1].image)
    assert torch.equal(scores[0].maps, scores[1].maps)
    assert not torch.equal(scores[0].image, scores[2].image)
