"""A small network, untrained but calibrated, and the images that it is calibrated on."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.conftest import TINY
from utad.config import load_config
from utad.scoring.calibration import calibrate
from utad.scoring.network import DetectorNetwork, build_network


def images(count: int, seed: int = 0) -> torch.Tensor:
    """Smooth grey images, `(count, 1, 64, 64)` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 8, 8, generator=generator)
    return functional.interpolate(coarse, size=(64, 64), mode="bilinear", align_corners=False)


def calibrated(*overrides: str, count: int = 24) -> DetectorNetwork:
    """A network with two components that look at the image alone, unless `overrides` say otherwise."""
    config = load_config(overrides=[*TINY, "scoring.components=[input-near,whole]", *overrides])
    network = build_network(config, 1)
    calibrate(network, images(count), torch.ones(count, dtype=torch.bool), config)
    return network
