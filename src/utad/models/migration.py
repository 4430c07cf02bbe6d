"""Tensors of model files of earlier formats, brought to the names and shapes of the present networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

FORMAT_VERSION = 2
"""Of the names and shapes of the tensors; model files and checkpoints hold it."""

_IE_NET = "two_stage.ie_net."
_BRANCHES = ("point", "small", "large", "pooled.1")
_NORM = ("weight", "bias", "running_mean", "running_var")


def upgrade(tensors: Mapping[str, Tensor], written_as: int) -> dict[str, Tensor]:
    """The tensors of a model as the networks of this version hold them.

    In format 1 each branch of an inception block had a batch norm of its own, the two 1x1 convolutions of a block were
    apart, and the decoder's enlarging took a place among its layers.

    Args:
        tensors: by name, as they were written.
        written_as: the format of the model file, at least 1.
    """
    upgraded = dict(tensors)
    if written_as > 1:
        return upgraded
    first = re.compile(rf"({re.escape(_IE_NET)}(?:encoder|decoder)\.layers\.\d+\.)point\.0\.weight")
    for block in [match[1] for name in tensors if (match := first.fullmatch(name))]:
        parts = {name[len(block) :]: upgraded.pop(name) for name in tensors if name.startswith(block)}
        for name, tensor in _joined(parts).items():
            upgraded[_renumbered(block) + name] = tensor
    return upgraded


def _joined(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One inception block."""
    return {
        "point.weight": torch.cat([parts["point.0.weight"], parts["pooled.1.0.weight"]]),
        "small.weight": parts["small.0.weight"],
        "large.weight": parts["large.0.weight"],
        **{f"norm.{name}": torch.cat([parts[f"{branch}.1.{name}"] for branch in _BRANCHES]) for name in _NORM},
        "norm.num_batches_tracked": parts["point.1.num_batches_tracked"],
    }


def _renumbered(block: str) -> str:
    head, number, _ = block.rsplit(".", 2)
    # Every second layer of the decoder was the enlarging.
    return f"{head}.{int(number) // 2}." if head.endswith("decoder.layers") else block
