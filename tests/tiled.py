"""What tests of tiles share: the shortest training on tiles, and images to cut."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from tests.conftest import SHORTEST

SETTINGS = (
    *SHORTEST,
    *("image.tile=[64, 16]", "image.size=64", "scoring.components=[input-near,input-detail,restored]"),
    *("expert_net.residual_blocks=1", "expert_net.width=8", "ie_net.filters=[4,4]", "ie_net.pools=[4,4]"),
    *("ie_net.decoder_filters=[4,4]", "ie_net.upsamples=[4,2]"),
)


def surface(height: int = 96, width: int = 128, *, seed: int = 0) -> np.ndarray:
    """A grey texture `(height, width, 3)` uint8 that looks the same everywhere."""
    rng = np.random.default_rng(seed)
    spots = gaussian_filter(rng.normal(0, 1, (height + 16, width + 16)), 2.0)[8:-8, 8:-8]
    pixels = 120 + 180 * spots + rng.normal(0, 4, (height, width))
    return np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
