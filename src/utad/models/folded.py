"""The trained networks as scoring computes them: the same values from fewer passes over memory."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from utad.models.inception import InceptionBlock
from utad.models.two_stage import TwoStage
from utad.models.upsampling import UpsampledConv, summed_kernel

VECTOR = 16
"""Floats in the widest vector of a CPU: so many channels of a convolution take no longer than fewer."""


class FoldedInception(nn.Module):
    """An inception block in evaluation mode, with the max-pooling that follows it.

    Batch norm is an affine function of each channel there: its scale goes into the weights, its shift becomes their
    bias, which averages and enlarging keep as it is. Max-pooling comes before the activation, which rises
    everywhere, so that the branches are joined when they are small. Where the channels of the 3x3 and the 5x5
    convolution fit in one vector, both are computed as one, the weights of the former surrounded by zeros.

    Args:
        block: trained; it is not changed.
        pool: of the max-pooling, 1 for none.
    """

    def __init__(self, block: InceptionBlock, pool: int = 1) -> None:
        super().__init__()
        self.scale, self.pool = block.scale, pool
        point, small, large, pooled = _branches(block)
        self.point = convolution(*point)
        self.averaged = convolution(*pooled)
        kernels = [small, large]
        if 2 * block.filters <= VECTOR:
            surrounded = functional.pad(small[0], [1] * 4)
            kernels = [(torch.cat([surrounded, large[0]]), torch.cat([small[1], large[1]]))]
        self.wide = nn.ModuleList(convolution(*kernel, scale=block.scale) for kernel in kernels)

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, 4 * filters, scale * H / pool, scale * W / pool)`."""
        point, averaged = self.point(features), self.averaged(features)  # (N, filters, H, W) each
        if self.scale > 1:
            point, averaged = (functional.interpolate(part, scale_factor=self.scale) for part in (point, averaged))
        averaged = functional.avg_pool2d(averaged, 3, stride=1, padding=1, count_include_pad=False)
        branches = [point, *(layer(features) for layer in self.wide), averaged]
        if self.pool > 1:
            branches = [functional.max_pool2d(branch, self.pool) for branch in branches]
        return functional.leaky_relu(torch.cat(branches, dim=1), 0.1, inplace=True)


def folded(two_stage: TwoStage) -> TwoStage:
    """A copy for scoring alone: inception blocks folded, kernels that enlarge added up once and for all.

    The original is not changed.
    """
    prepared = copy.deepcopy(two_stage).eval().requires_grad_(requires_grad=False)
    for part in (prepared.ie_net.encoder, prepared.ie_net.decoder):
        part.layers = _folded_layers(list(part.layers))
    for parent in list(prepared.expert_net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, UpsampledConv):
                setattr(parent, name, convolution(child.weight, child.bias, scale=child.scale))
    return prepared


def convolution(weight: Tensor, bias: Tensor | None, *, scale: int = 1) -> nn.Conv2d | nn.ConvTranspose2d:
    """A layer that convolves its input, enlarged `scale` times (nearest), zero-padded so that the size stays.

    Args:
        weight: `(out, in, k, k)`, k odd.
        bias: `(out,)`, or None for none.
        scale: s, at least 1.
    """
    out_channels, in_channels, kernel, _ = weight.shape
    layer: nn.Conv2d | nn.ConvTranspose2d
    if scale == 1:
        layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    else:
        layer = nn.ConvTranspose2d(in_channels, out_channels, kernel + scale - 1, stride=scale, padding=kernel // 2)
        weight = summed_kernel(weight, scale)
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False) if bias is not None else None
    return layer


def _folded_layers(layers: list[nn.Module]) -> nn.Sequential:
    kept: list[nn.Module] = []
    for place, layer in enumerate(layers):
        following = layers[place + 1] if place + 1 < len(layers) else None
        if isinstance(layer, InceptionBlock):
            kept.append(FoldedInception(layer, _side(following) if isinstance(following, nn.MaxPool2d) else 1))
        elif not isinstance(layer, nn.MaxPool2d):
            kept.append(layer)
    return nn.Sequential(*kept).to(memory_format=torch.channels_last)


def _side(pooling: nn.MaxPool2d) -> int:
    assert isinstance(pooling.kernel_size, int)
    return pooling.kernel_size


def _branches(block: InceptionBlock) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each branch, the batch norm within: 1x1, 3x3, 5x5 and the pooled 1x1."""
    norm = block.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    point, pooled = torch.chunk(block.point.weight, 2)
    weights = (point, block.small.weight, block.large.weight, pooled)
    means, variances, gains, shifts = (
        torch.chunk(values, 4) for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return [
        fuse_conv_bn_weights(weight, None, mean, variance, norm.eps, gain, shift)
        for weight, mean, variance, gain, shift in zip(weights, means, variances, gains, shifts, strict=True)
    ]
