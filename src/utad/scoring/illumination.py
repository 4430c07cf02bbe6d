"""Illumination normalisation: exposure, contrast and a gradient taken out before features are compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from utad.config import ScoringConfig
from utad.models.two_stage import ImageName, Images

MEAN, DEVIATION = 0.5, 0.2
LEAST_DEVIATION = 0.02
LEAST_LEVEL = 0.02
LEAST_GAIN = 0.25


def normalise_illumination(images: Images) -> dict[ImageName, Tensor]:
    """All images changed by the gain and offset that bring x to mean 0.5 and standard deviation 0.2.

    Exposure and contrast differ from one good part to the next and say nothing of defects; what differs between the
    four images is kept, since all are changed alike. Not part of the paper (docs/adr/0005).

    Args:
        images: `(N, C, S, S)` in [0, 1] each, `image` among them.
    """
    image = images["image"]
    deviation = image.std(dim=(1, 2, 3), correction=0, keepdim=True).clamp_min(LEAST_DEVIATION)
    gain = DEVIATION / deviation  # (N, 1, 1, 1)
    offset = MEAN - gain * image.mean(dim=(1, 2, 3), keepdim=True)
    return {name: (gain * tensor + offset).clamp(0.0, 1.0) for name, tensor in images.items()}


def normalise_gradient(images: Images) -> dict[ImageName, Tensor]:
    """As `normalise_illumination`, after the images were divided by the gradient of x.

        gradient = 1 + a r + b c   with   a = mean(x r) / (mean(x) mean(r^2)),   and b with c in the same way

    r and c run from -1 to 1 along rows and columns. A lamp that stands to one side multiplies the levels by such a
    plane. Not part of the paper (docs/adr/0016).

    Args:
        images: `(N, C, S, S)` in [0, 1] each, `image` among them.
    """
    image = images["image"]
    ramp = _ramp(int(image.shape[-1]))
    power = sum(value * value for value in ramp) / len(ramp)
    gradient = torch.ones_like(image[:, :1])  # (N, 1, S, S)
    level = image.mean(dim=(1, 2, 3), keepdim=True).clamp_min(LEAST_LEVEL)
    # Made of lists: a runtime is left no constant to compute (docs/adr/0008).
    for positions in (torch.tensor([[value] for value in ramp]), torch.tensor([ramp])):  # (S, 1) and (1, S)
        along = positions.to(image)
        gradient = gradient + (image * along).mean(dim=(1, 2, 3), keepdim=True) / (level * power) * along
    gradient = gradient.clamp_min(LEAST_GAIN)
    return normalise_illumination({name: tensor / gradient for name, tensor in images.items()})


def keep_illumination(images: Images) -> Images:
    """The images as they are, where illumination normalisation is switched off."""
    return images


def illumination_step(config: ScoringConfig) -> Callable[[Images], Images]:
    """What is done to the images before the backbone sees them; Eq. 8 takes them as they are."""
    if config.method != "calibrated" or not config.normalise_illumination:
        return keep_illumination
    return normalise_gradient if config.normalise_gradient else normalise_illumination


def _ramp(side: int) -> list[float]:
    return [2 * index / (side - 1) - 1 for index in range(side)]
