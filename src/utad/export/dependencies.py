"""The optional packages, of the extras of this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from utad.errors import MissingDependencyError


def require(module: str, extra: str) -> Any:
    """Imports a package of an extra.

    Args:
        module: `onnxruntime`, `openvino`, `nncf`, ...
        extra: the extra of this package that installs it.

    Raises:
        MissingDependencyError: if it is not installed.
    """
    try:
        with _no_telemetry():
            return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module} is needed and cannot be imported ({error}): pip install 'utad[{extra}]'"
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
