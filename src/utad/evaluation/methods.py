"""The methods of `utad benchmark` by name, each behind fit and predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Protocol

from utad.baselines.baseline import Baseline
from utad.config import load_config
from utad.detector import UTAD
from utad.errors import ConfigError, ImageReadError
from utad.evaluation.evaluate import Scored
from utad.types import Category, Sample

BASELINES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "padim": ("utad.baselines.padim", "PaDiM"),
        "patchcore": ("utad.baselines.patchcore", "PatchCore"),
        "ae-l2": ("utad.baselines.autoencoder", "AEL2"),
        "ae-ssim": ("utad.baselines.autoencoder", "AESSIM"),
        "ad-vae": ("utad.baselines.ad_vae", "ADVAE"),
        "gamma-vae": ("utad.baselines.gamma_vae", "GammaVAE"),
        "anogan": ("utad.baselines.anogan", "AnoGAN"),
        "f-anogan": ("utad.baselines.anogan", "FAnoGAN"),
        "skip-ganomaly": ("utad.baselines.skip_ganomaly", "SkipGANomaly"),
        "lsa": ("utad.baselines.lsa", "LSA"),
        "unst": ("utad.baselines.students", "UninformedStudents"),
        "efficientad-s": ("utad.baselines.efficient_ad", "EfficientADS"),
    }
)
"""Module and class of every baseline."""

METHODS: tuple[str, ...] = ("utad", *BASELINES)


class Method(Protocol):
    """What a benchmark does with a method."""

    def fit(self, data: Category) -> object:
        """Learns from the normal training images."""

    def predict_samples(
        self, samples: Sequence[Sample], *, batch_size: int = 8
    ) -> Iterator[tuple[Sample, Scored | ImageReadError]]:
        """Scores a stream of images."""


def build_method(name: str, *, seed: int, size: int | None, preset: str, overrides: Sequence[str] = ()) -> Method:
    """An unfitted method.

    Args:
        name: one of `METHODS`.
        seed: of everything random.
        size: side of the images; None for the preset's.
        preset: of UTAD; the baselines see images of its size.
        overrides: `section.key=value`, on top of the preset, of UTAD alone.

    Raises:
        ConfigError: if there is no such method, or a setting is wrong.
    """
    sized = [f"image.size={size}"] if size is not None else []
    config = load_config(preset, overrides=[*sized, *overrides], seed=seed)
    if name == "utad":
        return UTAD(config=config)
    if name not in BASELINES:
        raise ConfigError(f"unknown method {name!r}: choose from {', '.join(METHODS)}")
    module, kind = BASELINES[name]
    factory: Callable[..., Baseline] = getattr(import_module(module), kind)
    return factory(
        size=config.image.size,
        seed=seed,
        held_out=config.calibration.held_out,
        image_fpr=config.calibration.image_fpr,
        pixel_fpr=config.calibration.pixel_fpr,
    )
