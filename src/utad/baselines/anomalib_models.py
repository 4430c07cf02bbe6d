"""Models of anomalib (extra `anomalib`) that can be compared, and how each is built without a download.

anomalib fetches the weights of backbones when a model is built. Here a model gets EfficientNet-Lite0, whose weights
are installed with this package, where it takes any backbone of timm, and random weights elsewhere, unless its own are
asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from torch import nn

from utad.dependencies import is_installed, require
from utad.errors import ConfigError, MissingDependencyError, WeightsError
from utad.models.weights import load_bundled, load_into

PREFIX = "anomalib:"
AT_HAND, RANDOM, OWN = "at-hand", "random", "own"
WEIGHTS = (AT_HAND, RANDOM, OWN)

_LITE = "efficientnet_lite0"
_LITE_IN_TIMM = f"tf_{_LITE}"
_LITE_LAYERS = {"layer1": "blocks.1", "layer2": "blocks.2", "layer3": "blocks.4", "layer4": "blocks.6"}
"""Stages of a ResNet, as anomalib's models name them, and those of EfficientNet-Lite0 at the same resolution."""


@dataclass(frozen=True)
class AnomalibModel:
    """A model that builds, learns and scores without a download.

    Attributes:
        backbone: whose pretrained features it ships with; empty for a model that has none.
        size: side of the images that its own pre-processor gives it.
        trained: whether by gradient descent; the others are statistics, learnt in one pass.
        takes_any: whether it takes any convolutional backbone of timm, EfficientNet-Lite0 too.
        with_lite: further arguments that it needs then.
        cropped_from: side to which its own pre-processor resizes images, of which it cuts out the middle; 0 for none.
        lacks: what else of it is fetched and so left out here.
    """

    backbone: str
    size: int = 256
    trained: bool = True
    takes_any: bool = False
    with_lite: Mapping[str, Any] = field(default_factory=dict)
    cropped_from: int = 0
    lacks: str = ""


MODELS: Mapping[str, AnomalibModel] = MappingProxyType(
    {
        "AnomalyDINO": AnomalibModel("DINOv2 ViT-S/14", size=252, trained=False),
        "Cflow": AnomalibModel("WideResNet-50", takes_any=True),
        "Dfm": AnomalibModel("ResNet-50", trained=False, takes_any=True),
        "Dinomaly": AnomalibModel("DINOv2 ViT-B/14", size=392, cropped_from=448),
        "Draem": AnomalibModel("", lacks="synthetic anomalies of noise alone, without the textures (DTD) it fetches"),
        "Fastflow": AnomalibModel("ResNet-18"),
        "Padim": AnomalibModel("ResNet-18", trained=False, takes_any=True, with_lite={"n_features": 100}),
        "Patchcore": AnomalibModel("WideResNet-50", trained=False, takes_any=True),
        "ReverseDistillation": AnomalibModel("WideResNet-50"),
        "Stfpm": AnomalibModel("ResNet-18", takes_any=True),
        "Supersimplenet": AnomalibModel("WideResNet-50", takes_any=True),
    }
)
"""By the name of the class in `anomalib.models`."""


def known_model(name: str) -> AnomalibModel:
    """What is known of a model.

    Args:
        name: of a method, `anomalib:Padim`.

    Raises:
        ConfigError: if it is none of `MODELS`.
        MissingDependencyError: if anomalib is not installed.
    """
    model = name.removeprefix(PREFIX)
    if model not in MODELS:
        raise ConfigError(f"unknown method {name}: of anomalib's models choose from {', '.join(MODELS)}")
    if not is_installed("anomalib"):
        raise MissingDependencyError(f"{name} needs anomalib, which is not installed: pip install 'utad[anomalib]'")
    return MODELS[model]


def build_model(name: str, *, size: int, weights: str) -> Any:
    """A model as anomalib ships it but for its weights, without its post-processor, metrics and pictures.

    Args:
        name: of a class in `anomalib.models`, one of `MODELS`.
        size: side of the images it will get. They are normalised as its own pre-processor does, or for
            EfficientNet-Lite0 as that was trained.
        weights: one of `WEIGHTS`; `own` fetches what the model fetches.

    Returns:
        The `AnomalibModule`, not trained.

    Raises:
        WeightsError: if its own weights are asked for and cannot be fetched.
    """
    known, kind = MODELS[name], getattr(require("anomalib.models"), name)
    transforms = require("torchvision.transforms.v2")
    shipped = kind.configure_pre_processor().transform.transforms
    normalise = [step for step in shipped if not isinstance(step, transforms.Resize | transforms.CenterCrop)]
    with_lite = weights == AT_HAND and known.takes_any
    if with_lite:
        settings = require("timm").get_pretrained_cfg(_LITE_IN_TIMM)
        normalise = [transforms.Normalize(settings.mean, settings.std)]
    resize = transforms.Resize((size, size), antialias=True)
    pre_processor = require("anomalib.pre_processing").PreProcessor(transforms.Compose([resize, *normalise]))
    arguments = {"pre_processor": pre_processor, "post_processor": False, "evaluator": False, "visualizer": False}
    if weights == OWN:
        try:
            return kind(**arguments)
        except Exception as error:  # each of the clients that fetch weights raises classes of its own
            raise WeightsError(
                f"{PREFIX}{name} could not be built with its own weights ({type(error).__name__}: {error}): run it "
                f"once on a machine with internet, or leave {PREFIX}{name}.weights out"
            ) from error
    if with_lite:
        arguments |= _lite_arguments(kind) | dict(known.with_lite)
    with _weights_at_hand(), TemporaryDirectory() as nothing:
        return kind(**arguments, **({"dtd_dir": Path(nothing)} if name == "Draem" else {}))


def _lite_arguments(kind: Any) -> dict[str, Any]:
    """Backbone and stages of EfficientNet-Lite0 instead of those that a model has by default."""
    parameters = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"backbone": _LITE_IN_TIMM}
    if "layers" in parameters:
        arguments["layers"] = [_LITE_LAYERS[layer] for layer in parameters["layers"].default]
    else:
        arguments["layer"] = _LITE_LAYERS[parameters["layer"].default]
    return arguments


@contextmanager
def _weights_at_hand() -> Iterator[None]:
    """Has timm build networks without fetching anything: EfficientNet-Lite0 as installed, others at random.

    Some of anomalib's models ask for pretrained weights whatever they are told.
    """
    timm = require("timm")
    create = timm.create_model

    def create_at_hand(model_name: str, **settings: Any) -> nn.Module:
        network: nn.Module = create(model_name, **{**settings, "pretrained": False})
        if model_name == _LITE_IN_TIMM and settings.get("pretrained"):
            load_into(network, load_bundled(_LITE), f"the bundled checkpoint of {_LITE}")
        return network

    timm.create_model = create_at_hand
    try:
        yield
    finally:
        timm.create_model = create
