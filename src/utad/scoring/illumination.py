"""Illumination normalisation: exposure and contrast taken out before features are compared."""

from __future__ import annotations

from torch import Tensor

from utad.models.two_stage import ImageName, Images

_MEAN, _DEVIATION = 0.5, 0.2
_LEAST_DEVIATION = 0.02


def normalise_illumination(images: Images) -> dict[ImageName, Tensor]:
    """All images changed by the gain and offset that bring x to mean 0.5 and standard deviation 0.2.

    Exposure and contrast differ from one good part to the next and say nothing of defects; what differs between the
    four images is kept, since all are changed alike. Not part of the paper (docs/adr/0005).

    Args:
        images: `(N, C, S, S)` in [0, 1] each, `image` among them.
    """
    image = images["image"]
    deviation = image.std(dim=(1, 2, 3), correction=0, keepdim=True).clamp_min(_LEAST_DEVIATION)
    gain = _DEVIATION / deviation  # (N, 1, 1, 1)
    offset = _MEAN - gain * image.mean(dim=(1, 2, 3), keepdim=True)
    return {name: (gain * tensor + offset).clamp(0.0, 1.0) for name, tensor in images.items()}


def keep_illumination(images: Images) -> Images:
    """The images as they are, where illumination normalisation is switched off."""
    return images
