"""Tensors of model files of earlier formats, brought to the names and shapes of the present networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

FORMAT_VERSION = 5
"""Of the names and shapes of the tensors; model files and checkpoints hold it."""

_BLOCK = re.compile(r"(two_stage\.ie_net\.(?:encoder|decoder)\.layers\.)(\d+)(\..*)")
_BRANCHES = ("point", "small", "large", "pooled.1")
_NORM = ("weight", "bias", "running_mean", "running_var")

_RENAMED = (
    (r"measurement\.terms\.([^.]+)\.", r"measurement.components.\1.distance."),
    (r"measurement\.scales\.([^.]+)\.location", r"measurement.components.\1.standardisation.mean"),
    (r"measurement\.scales\.([^.]+)\.spread", r"measurement.components.\1.standardisation.deviation"),
    (r"measurement\.scales\.([^.]+)\.", r"measurement.components.\1.standardisation."),
    (r"calibration\.", "normalisation."),
)
"""Names of format 2 and those of format 3."""


def upgrade(tensors: Mapping[str, Tensor], written_as: int, *, compares_pixels: bool = False) -> dict[str, Tensor]:
    """The tensors of a model as the networks of this version hold them.

    Format 1 had a batch norm per branch of an inception block, and the decoder's enlarging was one of its layers.
    Format 2 had the two 1x1 convolutions of a block as one. Both had other names for the measurement, and a backbone
    even where pixels were compared. Up to format 3 no scores of normal images were kept, up to format 4 no
    pictures of them, which are no tensors of the networks.

    Args:
        tensors: by name, as they were written.
        written_as: the format of the model file, at least 1.
        compares_pixels: the model needs no backbone.
    """
    if written_as >= FORMAT_VERSION:
        return dict(tensors)
    named = dict(tensors) if written_as >= 3 else _with_blocks_of_format_3(tensors, written_as, compares_pixels)
    if written_as < 4 and "normalisation.image" in named:
        named["normalisation.normal"] = torch.empty(0, dtype=torch.float64)
    return named


def _with_blocks_of_format_3(
    tensors: Mapping[str, Tensor], written_as: int, compares_pixels: bool
) -> dict[str, Tensor]:
    blocks: dict[str, dict[str, Tensor]] = {}
    upgraded: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = _BLOCK.fullmatch(name)
        if match is None:
            if not (compares_pixels and name.startswith("backbone.")):
                upgraded[_renamed(name)] = tensor
            continue
        layers, number, rest = match.groups()
        if written_as == 1 and "decoder" in layers:
            number = str(int(number) // 2)
        blocks.setdefault(layers + number, {})[rest[1:]] = tensor
    for block, parts in blocks.items():
        split = _from_format_1(parts) if written_as == 1 else _from_format_2(parts)
        upgraded |= {f"{block}.{name}": tensor for name, tensor in split.items()}
    return upgraded


def _from_format_1(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One inception block: the batch norms of the branches become one."""
    return {
        "point.weight": parts["point.0.weight"],
        "pooled.weight": parts["pooled.1.0.weight"],
        "small.weight": parts["small.0.weight"],
        "large.weight": parts["large.0.weight"],
        **{f"norm.{name}": torch.cat([parts[f"{branch}.1.{name}"] for branch in _BRANCHES]) for name in _NORM},
        "norm.num_batches_tracked": parts["point.1.num_batches_tracked"],
    }


def _from_format_2(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One inception block: the joined 1x1 convolution becomes two."""
    point, pooled = torch.chunk(parts["point.weight"], 2)
    return {**parts, "point.weight": point, "pooled.weight": pooled}


def _renamed(name: str) -> str:
    for old, new in _RENAMED:
        renamed, count = re.subn(f"^{old}", new, name)
        if count:
            return renamed
    return name
