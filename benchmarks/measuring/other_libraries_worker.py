"""Times anomalib's methods at batch 1, eager, each as it ships, at 256 px: `other_libraries_worker.py IMAGES.npy`.

Runs in an environment of its own, made by `other_libraries.py`. Weights are random, since the real ones need the
internet, and what a method learns from normal images is filled with random values of the size that 200 of them would
give.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import timm
import torch
from torch import nn

from measuring.answering import answer, private_stdout

SIDE = 256
NORMAL_IMAGES = 200


def without_weights() -> AbstractContextManager[object]:
    """Has timm build networks with random weights, whatever is asked for."""
    create = timm.create_model

    def create_random(*arguments: object, **settings: object) -> nn.Module:
        return create(*arguments, **{**settings, "pretrained": False})

    return mock.patch.object(timm, "create_model", create_random)


def padim() -> nn.Module:
    """PaDiM with ResNet-18: mean and inverse covariance of each of 64 x 64 positions."""
    from anomalib.models import Padim

    module = Padim()
    channels, patches = module.model.n_features, (SIDE // 4) ** 2
    module.model.gaussian.mean = torch.randn(channels, patches)
    root = torch.randn(patches, channels, channels) / channels**0.5
    module.model.gaussian.inv_covariance = root @ root.transpose(1, 2) + 0.1 * torch.eye(channels)
    return module


def patchcore(backbone: str) -> nn.Module:
    """PatchCore: a bank of a tenth of the 32 x 32 patches of the normal images, its default ratio."""
    from anomalib.models import Patchcore

    module = Patchcore(backbone=backbone)
    patches = round(module.coreset_sampling_ratio * NORMAL_IMAGES * (SIDE // 8) ** 2)
    module.model.memory_bank = torch.randn(patches, sum(module.model.feature_extractor.out_dims))
    return module


def stfpm() -> nn.Module:
    """STFPM with ResNet-18, teacher and student."""
    from anomalib.models import Stfpm

    return Stfpm()


def efficient_ad() -> nn.Module:
    """EfficientAD-S; its statistics are set, as after training."""
    from anomalib.models import EfficientAd

    module = EfficientAd()
    with torch.no_grad():
        module.model.mean_std["std"].fill_(1.0)
        for name, value in module.model.quantiles.items():
            value.fill_(1.0 if name.startswith("qb") else 0.0)
    return module


def ganomaly() -> nn.Module:
    """GANomaly."""
    from anomalib.models import Ganomaly

    return Ganomaly()


def draem() -> nn.Module:
    """DRAEM; its training's pictures of textures, which need the internet, are not fetched."""
    from anomalib.models import Draem
    from anomalib.models.image.draem import lightning_model

    with mock.patch.object(lightning_model, "download_and_extract"):
        return Draem()


METHODS: dict[str, Callable[[], nn.Module]] = {
    "PaDiM ResNet-18": padim,
    "PatchCore ResNet-18": lambda: patchcore("resnet18"),
    "PatchCore WideResNet-50": lambda: patchcore("wide_resnet50_2"),
    "STFPM ResNet-18": stfpm,
    "EfficientAD-S": efficient_ad,
    "GANomaly": ganomaly,
    "DRAEM": draem,
}


def ready(module: nn.Module) -> nn.Module:
    """In evaluation mode, with thresholds and ranges in its post-processor, as after validation."""
    post_processor: nn.Module = module.post_processor  # type: ignore[assignment]
    for name, buffer in post_processor.named_buffers():
        if name in ("_image_threshold", "_pixel_threshold"):
            buffer.fill_(0.5)
        elif name in ("image_min", "pixel_min", "image_max", "pixel_max"):
            buffer.fill_(float(name.endswith("max")))
    return module.eval()


def scoring(module: nn.Module, images: itertools.cycle[Any]) -> Callable[[], object]:
    """From pixels to score, map and mask: pre-processor, network and post-processor."""

    def score() -> object:
        pixels = torch.from_numpy(next(images))  # (H, W, 3)
        with torch.inference_mode():
            return module(pixels.permute(2, 0, 1)[None].float() / 255)

    return score


def main() -> None:
    """Builds what can be built, announces, answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    arguments = parser.parse_args()
    answers = private_stdout()
    torch.manual_seed(0)
    images = list(np.load(arguments.images))
    actions, failures, parameters = {}, {}, {}
    with without_weights():
        for name, build in METHODS.items():
            try:
                module = ready(build())
                actions[name] = scoring(module, itertools.cycle(images))
                actions[name]()
            except Exception as error:  # whatever it is, the others are measured and the results say so
                actions.pop(name, None)
                failures[name] = f"{type(error).__name__}: {error}"
            else:
                parameters[name] = sum(parameter.numel() for parameter in module.parameters())
    answer(
        answers,
        actions,
        failures=failures,
        parameters=parameters,
        threads=torch.get_num_threads(),
        versions={name: version(name) for name in ("anomalib", "torch", "torchvision", "timm", "lightning")},
    )


if __name__ == "__main__":
    main()
