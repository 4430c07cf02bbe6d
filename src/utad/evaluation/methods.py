"""The methods of `utad benchmark` by name, each behind fit and predict."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib import import_module
from statistics import fmean
from types import MappingProxyType
from typing import Any

import torch

from utad.baselines.anomalib_models import PREFIX, known_model
from utad.baselines.baseline import MAX_PIXELS, Baseline
from utad.baselines.departures import Departures
from utad.baselines.fitting import TrainedBaseline
from utad.config import Config, load_config
from utad.detector import UTAD
from utad.errors import ConfigError
from utad.evaluation.paper_departures import paper_departures
from utad.evaluation.variant import Variant
from utad.models.build import count_parameters
from utad.predictor import Predictor
from utad.tiled_engine import TiledEngine
from utad.training.fit import feature_settings, stage_settings

BASELINES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "padim": ("utad.baselines.padim", "PaDiM"),
        "patchcore": ("utad.baselines.patchcore", "PatchCore"),
        "ae-l2": ("utad.baselines.autoencoder", "AEL2"),
        "ae-ssim": ("utad.baselines.autoencoder", "AESSIM"),
        "ad-vae": ("utad.baselines.ad_vae", "ADVAE"),
        "gamma-vae": ("utad.baselines.gamma_vae", "GammaVAE"),
        "anogan": ("utad.baselines.anogan", "AnoGAN"),
        "f-anogan": ("utad.baselines.f_anogan", "FAnoGAN"),
        "skip-ganomaly": ("utad.baselines.skip_ganomaly", "SkipGANomaly"),
        "avid": ("utad.baselines.avid", "AVID"),
        "ocgan": ("utad.baselines.ocgan", "OCGAN"),
        "lsa": ("utad.baselines.lsa", "LSA"),
        "unst": ("utad.baselines.students", "UninformedStudents"),
        "efficientad-s": ("utad.baselines.efficient_ad", "EfficientADS"),
        "capsnet": ("utad.baselines.capsnet", "CapsNet"),
        "cavga-u": ("utad.baselines.cavga", "CAVGAu"),
    }
)
"""Module and class of every baseline of this package."""

METHODS: tuple[str, ...] = ("utad", *BASELINES)
"""Those of this package. `anomalib:` and the name of a model there is one too, where anomalib is installed."""

_SHARED = ("image.tile", "image.smallest_defect", "accelerator")
"""Settings of UTAD that every method has."""


Method = UTAD | Baseline
"""What a benchmark compares: fitted by `fit`, then scored by `predictor_of` it."""


def is_baseline(name: str) -> bool:
    """Whether a name is that of a method that is compared with UTAD."""
    return name in BASELINES or name.startswith(PREFIX)


def predictor_of(method: Method) -> Predictor:
    """A fitted method behind the one predictor."""
    if isinstance(method, UTAD):
        return method
    if method.tiling_ is None or method.image_normalisation_ is None:
        return Predictor(method, max_pixels=MAX_PIXELS)
    tiled = TiledEngine(method, method.tiling_, slope=method.image_normalisation_.slope)
    return Predictor(tiled, max_pixels=MAX_PIXELS)


def variants_of(methods: Sequence[str]) -> tuple[Variant, ...]:
    """One variant a method, with its own settings.

    Raises:
        ConfigError: naming a method that does not exist.
        MissingDependencyError: naming a method that needs a package which is not installed.
    """
    unknown = [name for name in methods if name not in METHODS and not name.startswith(PREFIX)]
    if unknown:
        raise ConfigError(
            f"unknown method {', '.join(unknown)}: choose from {', '.join(METHODS)}, or {PREFIX}MODEL for a model of "
            "anomalib"
        )
    for name in methods:
        if name.startswith(PREFIX):
            known_model(name)
    return tuple(Variant(name, name) for name in methods)


def with_settings(variants: Sequence[Variant], settings: Sequence[str]) -> tuple[Variant, ...]:
    """Variants with further settings, under what they set themselves.

    Args:
        variants: of any methods.
        settings: `section.key=value` of UTAD, of which all methods get those of tiles and `accelerator`;
            `METHOD.argument=value` of a baseline, such as `ae-l2.steps=200`.

    Raises:
        ConfigError: if a setting is of a method that is not among the variants.
    """
    by_base: dict[str, list[str]] = {variant.base: [] for variant in variants}
    for setting in settings:
        base, _, rest = setting.partition(".")
        if base in by_base and is_baseline(base):
            by_base[base].append(rest)
        elif is_baseline(base):
            raise ConfigError(f"got the setting {setting}, and {base} is not among the methods: {', '.join(by_base)}")
        else:
            shared = setting.strip().startswith(_SHARED)
            if not shared and "utad" not in by_base:
                raise ConfigError(
                    f"got the setting {setting}, which is one of utad's, and utad is not among the methods: "
                    f"{', '.join(by_base)}; write METHOD.argument=value for one of theirs, such as padim.size=64"
                )
            for name in by_base if shared else by_base.keys() & {"utad"}:
                by_base[name].append(setting)
    return tuple(
        replace(variant, overrides=(*by_base[variant.base], *variant.overrides)) if by_base[variant.base] else variant
        for variant in variants
    )


def refuse_region_beside_others(variants: Sequence[Variant], preset: str) -> None:
    """Refuses to compare UTAD on a part of the image with methods that see all of it.

    Raises:
        ConfigError: naming them.
    """
    others = [variant.name for variant in variants if variant.base != "utad"]
    regional = [
        variant.name
        for variant in variants
        if variant.base == "utad" and _config(preset, None, 0, variant.overrides).image.has_shapes
    ]
    if others and regional:
        raise ConfigError(
            f"image.roi and image.ignore are set for {', '.join(regional)}, and {', '.join(others)} have no region of "
            "interest: they would be measured on other pixels. Leave the settings or these methods out, or crop the "
            "images for all"
        )


def build_method(name: str, *, seed: int, size: int | None, preset: str, overrides: Sequence[str] = ()) -> Method:
    """An unfitted method.

    Args:
        name: one of `METHODS`, or that of a model of anomalib.
        seed: of everything random.
        size: side of the images; None for the preset's. Models of anomalib have their own.
        preset: of UTAD; the baselines see images of its size.
        overrides: on top of the preset, `section.key=value`; of a baseline `argument=value`, a whole number or a
            word such as `scored_by=pp`, or the settings that all methods have.

    Raises:
        ConfigError: if there is no such method, or a setting is wrong.
        MissingDependencyError: if anomalib is needed and not installed.
    """
    if name == "utad":
        return UTAD(config=_config(preset, size, seed, overrides))
    if not is_baseline(name):
        raise ConfigError(f"unknown method {name!r}: choose from {', '.join(METHODS)}")
    shared = [override for override in overrides if override.strip().startswith(_SHARED)]
    config = _config(preset, size, seed, shared)
    arguments: dict[str, Any] = {
        "seed": seed,
        "held_out": config.calibration.held_out,
        "folds": config.calibration.folds,
        "image_fpr": config.calibration.image_fpr,
        "pixel_fpr": config.calibration.pixel_fpr,
        "image": config.image if config.image.tile is not None else None,
        "device": device_of(config.accelerator),
    }
    if name in BASELINES:
        arguments["size"] = config.image.size
    try:
        factory = _factory(name)
        own = dict(_argument(override, factory) for override in overrides if override not in shared)
        return factory(**arguments | own)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from None


def device_of(accelerator: str) -> str:
    """The device of a config's `accelerator`, as torch names it: `cuda` for `auto` where there is one."""
    if accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return {"gpu": "cuda"}.get(accelerator, accelerator)


def _factory(name: str) -> type[Baseline]:
    if name.startswith(PREFIX):
        # anomalib takes seconds to import, and is not part of every installation.
        from utad.baselines.anomalib_method import anomalib_method

        return anomalib_method(name)
    module, kind = BASELINES[name]
    factory: type[Baseline] = getattr(import_module(module), kind)
    return factory


def _argument(override: str, factory: type[Baseline]) -> tuple[str, int | str]:
    key, _, value = override.partition("=")
    in_words = any(one.name == key and isinstance(one.default, str) for one in fields(factory))
    if not value.isdigit() and not (in_words and value):
        raise ConfigError(f"got {override!r}, expected argument=value with a whole number")
    return key, value if in_words else int(value)


def learns_from(method: Method) -> str:
    """What of the normal images a method learns from, and how they set its threshold."""
    if isinstance(method, UTAD):
        return (
            "two stages: normal images without the held-out share; feature impression and statistics: all normal "
            "images; threshold cross-fitted, with the gap of a witness"
        )
    return method.learns_from


def departures_of(method: Method) -> Departures | None:
    """What a method leaves out of its source, with its own settings; of UTAD what the settings of a run change."""
    return paper_departures(method.config) if isinstance(method, UTAD) else method.departures()


def departures_named(name: str) -> Departures | None:
    """The same of the method of that name with its settings as they are by default; None where it is no baseline."""
    return departures_of(_factory(name)()) if name in BASELINES else None


def learnt_parameters(method: Method) -> int:
    """Numbers that a fitted method learnt by gradient descent; frozen networks and statistics do not count."""
    if isinstance(method, UTAD):
        assert method.network_ is not None
        own, features = count_parameters(method.config, method.network_.channels), method.network_.feature_impression
        return sum(own.values()) + sum(weights.numel() for weights in (features.parameters() if features else ()))
    return method.count_parameters()


def seconds_per_step(method: Method) -> float | None:
    """Mean time of a batch of training of a fitted method, of all its networks; None where this fit trained nothing."""
    if isinstance(method, UTAD):
        assert method.report_ is not None
        seconds = method.report_.stage_seconds
        trained = [stage for stage in method.report_.record.stages if seconds[stage.name] > 0]  # others were there
        steps, spent = sum(stage.steps for stage in trained), sum(seconds[stage.name] for stage in trained)
        return spent / steps if steps else None
    if isinstance(method, TrainedBaseline) and method.step_seconds:
        return fmean(method.step_seconds)
    return None


def training_digest(variant: Variant, preset: str, size: int | None, seed: int) -> str | None:
    """Equal for variants of UTAD whose networks train alike, None for baselines."""
    if variant.base != "utad":
        return None
    config = _config(preset, size, seed, variant.overrides)
    return hashlib.sha256((stage_settings(config) + feature_settings(config)).encode()).hexdigest()[:12]


def _config(preset: str, size: int | None, seed: int, overrides: Sequence[str] = ()) -> Config:
    sized = [f"image.size={size}"] if size is not None else []
    return load_config(preset, overrides=[*sized, *overrides], seed=seed)
