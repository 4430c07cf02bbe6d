"""Bilinear resizing as small dense matrices, computed from the sizes inside the graph.

No runtime has PyTorch's antialiased resize, let alone its rounding for uint8; all of them multiply matrices.
Distances between pixel centres are kept in integers, in units of 1 / (2 n_out) source pixels, so that single
precision holds them exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MOST_BITS = 22
_INT16 = 2.0**15


def positions(count: int) -> Tensor:
    """0, 1, ... `count` - 1 as floats, `(count,)`."""
    return torch.arange(count, dtype=torch.float32)


def antialiased_weights(source: Tensor, target: Tensor) -> Tensor:
    """The triangle filter of `interpolate(mode="bilinear", antialias=True)`, widened where the size shrinks.

    Args:
        source: positions of the source pixels, `(n_in,)`.
        target: positions of the pixels wanted, `(n_out,)`.

    Returns:
        `(n_out, n_in)`, rows of sum 1.
    """
    n_in, n_out = _count(source), _count(target)
    distance = ((2 * source + 1) * n_out - ((2 * target + 1) * n_in)[:, None]).abs()
    overlap = torch.relu(2 * torch.maximum(n_in, n_out) - distance)
    return overlap / overlap.sum(dim=1, keepdim=True)


def bilinear_weights(source: Tensor, target: Tensor) -> Tensor:
    """The weights of `interpolate(mode="bilinear", align_corners=False)`; arguments as above."""
    n_in, n_out = _count(source), _count(target)
    last = 2 * n_out * (n_in - 1)
    centre = torch.minimum(torch.relu((2 * target + 1) * n_in - n_out), last)[:, None]
    return torch.relu(2 * n_out - (2 * n_out * source - centre).abs()) / (2 * n_out)


def nearest_positions(target: Tensor, n_in: int) -> Tensor:
    """Which of `n_in` source pixels the centre of each pixel lies on, as `region_of_interest.nearest` has it.

    Args:
        target: positions of the pixels wanted, `(n_out,)`.
        n_in: at most 1024.

    Returns:
        `(n_out,)` int64.
    """
    wanted = target.to(torch.int64)
    # Whole numbers: products beyond 2^24 are not exact in single precision.
    return (2 * wanted + 1) * n_in // (2 * (wanted.max() + 1))


def resize_uint8(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """What PyTorch's antialiased resize of uint8 gives: 16-bit weights, rounding after each direction.

    Args:
        pixels: `(N, C, H, W)`, whole numbers from 0 to 255 as floats.
        rows: antialiased weights `(h, H)`.
        columns: antialiased weights `(w, W)`.

    Returns:
        `(N, C, h, w)`, whole numbers from 0 to 255.
    """
    narrowed = _to_level(pixels @ _in_16_bits(columns).T)  # (N, C, H, w)
    return _to_level(_in_16_bits(rows) @ narrowed)  # (N, C, h, w)


def resize(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Maps `(..., h, w)` to `(..., H, W)` by weights `(H, h)` and `(W, w)`."""
    return rows @ (maps @ columns.T)


def _count(positions: Tensor) -> Tensor:
    # From the values, not the shape: a symbolic size does not mix with floats in every exporter.
    return positions.max() + 1


def _in_16_bits(weights: Tensor) -> Tensor:
    """Weights rounded to multiples of 2^-b, with the largest b up to 22 for which all of them fit 16 bits."""
    scales = 2.0 ** torch.arange(1, _MOST_BITS + 1, dtype=torch.float32)
    bits = (torch.floor(0.5 + weights.max() * scales) < _INT16).to(torch.float32).sum()
    scale = torch.pow(torch.tensor(2.0), bits)
    return torch.floor(weights * scale + 0.5) / scale


def _to_level(values: Tensor) -> Tensor:
    return torch.floor(values + 0.5).clamp(0.0, 255.0)
