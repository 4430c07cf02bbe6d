"""Convolutions for scoring on a CPU, as oneDNN computes them best.

PyTorch chooses how to compute each convolution when it is called: on a single core it leaves oneDNN aside for 1x1
ones, elsewhere it lays the weights out anew every time, and activations are passes of their own. Here oneDNN computes
all of them, with weights laid out once and the activation within. The operators are those that `torch.compile`
generates calls of; they need no compiler.
"""

from __future__ import annotations

import copy
from itertools import zip_longest
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

_Module = TypeVar("_Module", bound=nn.Module)
_OPERATORS = (
    "_convolution_pointwise",
    "_convolution_transpose_pointwise",
    "_reorder_convolution_weight",
    "_reorder_convolution_transpose_weight",
)


class PackedConvolution(nn.Module):
    """A convolution, or a transposed one, and the activation that follows it.

    Args:
        layer: of float32; with zero padding, another padding mode, or as TensorFlow pads (timm's `Conv2dSame`, of
            stride 2 and an odd kernel above 1). It is not changed.
        activation: LeakyReLU, ReLU, ReLU6 or None.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation
        self._pack()

    def forward(self, features: Tensor) -> Tensor:
        """`(N, C, H, W)` float32 on the CPU to what layer and activation give."""
        layer, padding = self.layer, list(self.layer.padding)
        result: Tensor
        if isinstance(layer, nn.ConvTranspose2d):
            result = torch.ops.mkldnn._convolution_transpose_pointwise(
                features, self._weight, layer.bias, padding, list(layer.output_padding), *self._arguments
            )
            return result
        if self._as_tensorflow:
            # The kernel has a row and a column of zeros in front: what is left to pad is the same on both sides.
            sides = zip(layer.kernel_size, features.shape[2:], strict=True)
            padding = [(side - 1) // 2 + size % 2 for side, size in sides]
        elif layer.padding_mode != "zeros":
            features = functional.pad(features, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
            padding = [0, 0]
        result = torch.ops.mkldnn._convolution_pointwise(features, self._weight, layer.bias, padding, *self._arguments)
        return result

    def __getstate__(self) -> dict[str, Any]:
        # What oneDNN laid out cannot be copied or stored.
        return {name: value for name, value in self.__dict__.items() if name != "_weight"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._pack()

    def _pack(self) -> None:
        layer = self.layer
        self._as_tensorflow = _pads_as_tensorflow(layer)
        weight, padding = layer.weight.detach(), [int(side) for side in layer.padding]
        shape = (list(layer.stride), list(layer.dilation), layer.groups)
        self._arguments = (*shape, *_operator(self.activation), "")
        if isinstance(layer, nn.ConvTranspose2d):
            outer = list(layer.output_padding)
            self._weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(weight, padding, outer, *shape)
            return
        if self._as_tensorflow:
            weight = functional.pad(weight, [1, 0, 1, 0])
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, *shape)


def available() -> bool:
    """Whether this build of PyTorch has oneDNN and the operators."""
    found = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return found and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)


def packed(module: _Module, *, in_order: bool = False) -> _Module:
    """A copy for scoring on a CPU, with its convolutions packed where this build can; the original is not changed.

    Args:
        module: of float32. Nothing may look at what its convolutions give before the activation.
        in_order: every module calls its children in the order in which they are registered; otherwise only those of a
            `Sequential` are taken to do so, and an activation elsewhere stays a pass of its own.
    """
    prepared = copy.deepcopy(module)
    if available():
        for parent in list(prepared.modules()):
            _pack_children(parent, in_order=in_order or isinstance(parent, nn.Sequential))
    return prepared


def _pack_children(parent: nn.Module, *, in_order: bool) -> None:
    children = list(parent.named_children())
    for (name, child), (next_name, following) in zip_longest(children, children[1:], fillvalue=("", None)):
        if not isinstance(child, nn.Conv2d | nn.ConvTranspose2d) or not _packable(child):
            continue
        fused = in_order and _operator(following)[0] != "none"
        setattr(parent, name, PackedConvolution(child, following if fused else None))
        if fused:
            setattr(parent, next_name, nn.Identity())


def _packable(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    if _pads_as_tensorflow(layer):
        return (
            layer.stride == (2, 2)
            and layer.dilation == (1, 1)
            and all(side % 2 and side > 1 for side in layer.kernel_size)
        )
    # Subclasses may compute something else.
    return type(layer) in (nn.Conv2d, nn.ConvTranspose2d) and not isinstance(layer.padding, str)


def _pads_as_tensorflow(layer: nn.Module) -> bool:
    from timm.layers import Conv2dSame  # slow to import, and there already where a backbone is

    return type(layer) is Conv2dSame


def _operator(activation: nn.Module | None) -> tuple[str, list[float]]:
    """Name and numbers of an activation, as the operators know it; `none` for what they do not know."""
    if isinstance(activation, nn.LeakyReLU):
        return "leaky_relu", [activation.negative_slope]
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        return "hardtanh", [activation.min_val, activation.max_val]
    return ("relu", []) if isinstance(activation, nn.ReLU) else ("none", [])
