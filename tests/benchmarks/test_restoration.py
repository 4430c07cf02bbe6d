from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from measuring.restoration import restoration_quality
from utad.config import ImageConfig
from utad.models.two_stage import Images
from utad.types import Category, Sample


def two_stage(images: torch.Tensor) -> Images:
    """x_hat keeps everything, m nothing, m_hat half."""
    flat = torch.full_like(images, 0.5)
    return {
        "image": images,
        "reconstruction": images,
        "impression": flat,
        "naive_impression": (images + flat) / 2,
    }


def test_what_keeps_all_or_nothing_of_a_defect_by_hand():
    pixels = np.random.default_rng(0).integers(60, 200, (7, 64, 64, 1), dtype=np.uint8).repeat(3, axis=3)
    test = [Sample(f"{i}", image, anomalous=False) for i, image in enumerate(pixels)]
    network = SimpleNamespace(channels=1, two_stage=two_stage)
    quality = restoration_quality(
        network, ImageConfig(size=64), Category("parts", (), [*test, Sample("bad", pixels[0], anomalous=True)])
    )
    assert quality["n_images"] == 7
    assert quality["x_hat"] == {"l1": 0.0, "ssim": 1.0, "defect_kept": 1.0}
    assert quality["m"]["defect_kept"] == 0.0
    assert quality["m_hat"]["defect_kept"] == 0.5
    assert quality["m"]["l1"] == round(float(np.abs(pixels / 255 - 0.5).mean()), 4)
