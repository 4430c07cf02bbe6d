"""How good the restored images are: likeness on unseen normal images, and what survives of a defect."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skimage.metrics import structural_similarity

from utad.config import ImageConfig
from utad.data.loading import load_images
from utad.data.reading import load_image
from utad.data.synthesis import DEFECTS, add_defect
from utad.models.two_stage import ImageName, Images
from utad.scoring.network import DetectorNetwork
from utad.types import Category, Sample

SYMBOLS: dict[str, ImageName] = {"x_hat": "reconstruction", "m": "impression", "m_hat": "naive_impression"}


def restoration_quality(
    network: DetectorNetwork, image_config: ImageConfig, category: Category, *, limit: int = 60, seed: int = 0
) -> dict[str, Any]:
    """Figures of x_hat, m and m_hat on normal test images.

    A synthetic defect is put into each image. Of a restored image p made with and without it, the share that survives
    is |p(with) - p(without)| over |x(with) - x(without)|, summed over the pixels of the defect: 0 where the defect is
    gone, 1 where it is kept.

    Args:
        network: whose two stages are trained.
        image_config: how images are brought to it.
        category: its normal test images are used.
        limit: images at the most, evenly from all.
        seed: of the defects.
    """
    normal = [sample for sample in category.test if sample.anomalous is False]
    chosen = normal[:: max(1, -(-len(normal) // limit))]
    rng = np.random.default_rng(seed)
    kinds = tuple(DEFECTS)
    clean, broken = [], []
    for index, sample in enumerate(chosen):
        image = load_image(sample, max_pixels=image_config.max_pixels)
        defect = add_defect(image, kinds[index % len(kinds)], rng=rng)
        clean.append(Sample(sample.name, image))
        broken.append(Sample(sample.name, defect.image))
    before, after = (_restored(network, image_config.size, samples) for samples in (clean, broken))
    change = (after["image"] - before["image"]).abs()
    inside = change > 1 / 255
    result: dict[str, Any] = {"n_images": len(chosen)}
    for symbol, name in SYMBOLS.items():
        one, other = before[name], after[name]
        likeness = [
            structural_similarity(x.numpy(), p.numpy(), channel_axis=0, data_range=1.0)
            for x, p in zip(before["image"], one, strict=True)
        ]
        kept = ((other - one).abs() * inside).sum() / (change * inside).sum()
        result[symbol] = {
            "l1": round(float((one - before["image"]).abs().mean()), 4),
            "ssim": round(float(np.mean(likeness)), 4),
            "defect_kept": round(float(kept), 4),
        }
    return result


@torch.inference_mode()
def _restored(network: DetectorNetwork, size: int, samples: list[Sample]) -> Images:
    images = load_images(samples, size=size, channels=network.channels).images
    parts = [network.two_stage(batch) for batch in torch.split(images, 4)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
