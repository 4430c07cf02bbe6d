"""What tests of a region of interest share: what lies outside is changed, and nothing else may change."""

from __future__ import annotations

import numpy as np

from tests.explained import NAMES
from utad.data.region_of_interest import RegionOfInterest
from utad.types import Prediction


def outside_changed(image: np.ndarray, region: RegionOfInterest, seed: int = 0) -> np.ndarray:
    """The image with noise outside of the region."""
    noise = np.random.default_rng(seed).integers(0, 256, image.shape, np.uint8).astype(image.dtype)
    return np.where(region.inside(image.shape[:2])[..., None], image, noise)


def same(one: Prediction, other: Prediction) -> bool:
    """Whether two predictions are equal to the last digit."""
    maps = [(one.anomaly_map, other.anomaly_map), (one.pred_mask, other.pred_mask)]
    maps += [(values, other.component_maps[name]) for name, values in one.component_maps.items()]
    maps += [(one.pictures[name], other.pictures[name]) for name in NAMES]
    return (one.pred_score, one.raw_score, one.pred_label, one.regions) == (
        *(other.pred_score, other.raw_score, other.pred_label, other.regions),
    ) and all(np.array_equal(first, second) for first, second in maps)
