"""UTAD: unsupervised two-stage anomaly detection, after Liu, Zhuang and Lu.

    from utad import UTAD

    detector = UTAD(preset="fast").fit("data/bottle")
    result = detector.predict("image.png")
    detector.save("bottle.safetensors")

Importing the package is quick: what needs torch is imported when it is first used, and says then if it is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from utad import errors
from utad.dependencies import extras_named
from utad.errors import UTADError

if TYPE_CHECKING:
    from utad.config import Config, load_config
    from utad.detector import UTAD
    from utad.interpret.explanation import Explanation
    from utad.loading import load_detector
    from utad.types import Category, Prediction, Sample

__version__ = "0.1.0"

__all__ = [
    "UTAD",
    "Category",
    "Config",
    "Explanation",
    "Prediction",
    "Sample",
    "UTADError",
    "__version__",
    "errors",
    "load_config",
    "load_detector",
]

_WHERE = {
    "UTAD": "utad.detector",
    "Category": "utad.types",
    "Config": "utad.config",
    "Explanation": "utad.interpret.explanation",
    "Prediction": "utad.types",
    "Sample": "utad.types",
    "load_config": "utad.config",
    "load_detector": "utad.loading",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        with extras_named():
            return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'utad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
