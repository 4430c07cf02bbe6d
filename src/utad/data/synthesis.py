"""Synthetic defects with exact masks, seeded.

They feed the demo, the benchmark and the tests. The detector never trains on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from utad.data.conversion import check_image
from utad.data.perlin import perlin_noise
from utad.data.shapes import blob, cloud, drawn, patch, stroke
from utad.errors import InputError
from utad.types import FloatMap, Image, Mask

Picture = NDArray[np.float32]
"""`(H, W, 3)` in [0, 1]."""

MIN_SIDE = 32

_VISIBLE = 0.05
_DRAWS = 12


@dataclass(frozen=True)
class Defect:
    """An image with a defect.

    Attributes:
        image: `(H, W, 3)`, of the type of the original.
        mask: `(H, W)` bool, true exactly where `image` differs from the original.
        kind: one of `DEFECTS`.
    """

    image: Image = field(repr=False)
    mask: Mask = field(repr=False)
    kind: str


def add_defect(
    image: Image,
    kind: str,
    *,
    rng: np.random.Generator,
    strength: float = 1.0,
    foreign: Image | None = None,
) -> Defect:
    """Puts one defect into an image.

    With the same state of `rng`, another strength gives the same defect, paler or stronger: every pixel lies
    on the line from the original to the full defect. Inside, every pixel is changed by at least one level.

    Args:
        image: `(H, W, 3)`, uint8 or uint16, at least 32 pixels on each side. It is not changed.
        kind: one of `DEFECTS`.
        rng: source of randomness; position, size, direction and look come from it.
        strength: visibility in (0, 1].
        foreign: an image whose texture is used by `foreign_texture` and `perlin`, of any size and either
            type; without one, the image itself is used, turned and enlarged.

    Returns:
        The image and the exact mask, which covers between 0.2 % and 15 % of the pixels.

    Raises:
        InputError: unknown kind, strength out of range, or not an image of sufficient size.
    """
    check_image(image, min_side=MIN_SIDE)
    if kind not in DEFECTS:
        raise InputError(f"got defect kind {kind!r}, expected one of {', '.join(DEFECTS)}")
    if not 0 < strength <= 1:
        raise InputError(f"got strength {strength}, expected a number above 0 and at most 1")
    original = _picture(image)
    if foreign is None:
        texture = _enlarged(original)
    else:
        check_image(foreign, name="foreign")
        texture = _covering(_picture(foreign), image.shape[:2], rng)
    if _is_grey(original):
        texture = texture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    opacity, target = _visible(DEFECTS[kind], original, texture, rng)
    changed = _blend(image, opacity, target, strength)
    return Defect(image=changed, mask=(changed != image).any(axis=2), kind=kind)


def _blend(image: Image, opacity: FloatMap, target: Picture, strength: float) -> Image:
    full = np.float32(np.iinfo(image.dtype).max)
    before = image.astype(np.float32)
    share = (opacity * np.float32(strength))[:, :, None]
    after = np.rint(before + share * (np.clip(target, 0, 1) * full - before))
    # What is inside counts as defective, so it must differ, even where the target happens to be the same.
    same = (opacity >= 0.5) & (after == before).all(axis=2)
    step = np.where(before[same] < full / 2, 1, -1)  # (K, 3)
    after[same] = before[same] + step
    return cast("Image", after.astype(image.dtype))


def _visible(painter: Painter, image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:
    """The first draw that changes what it covers by enough to be seen, or the strongest of `_DRAWS`.

    Blurring what is smooth already, for one, gives a defect on paper only, which no method and no person finds.
    """
    best, seen = painter(image, texture, rng), -1.0
    drawn_now = best
    for _ in range(_DRAWS):
        opacity, target = drawn_now
        change = float(np.average(np.abs(np.clip(target, 0, 1) - image).mean(axis=2), weights=opacity))
        if change > seen:
            best, seen = drawn_now, change
        if seen >= _VISIBLE:
            break
        drawn_now = painter(image, texture, rng)
    return best


def _scratch(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:  # noqa: ARG001
    opacity = drawn(stroke, image.shape[:2], rng)
    low, high = np.quantile(image, (0.01, 0.99))
    dark = _mean(image, opacity) > (low + high) / 2
    return opacity, _shade(image, amount=rng.uniform(0.75, 1.0), dark=bool(dark))


def _hole(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:  # noqa: ARG001
    opacity = drawn(partial(blob, radii=(0.07, 0.13)), image.shape[:2], rng)
    # Holes are dark wherever dark can be seen.
    depth = _shade(image, amount=rng.uniform(0.8, 1.0), dark=_mean(image, opacity) > 0.25)
    # A trace of the surface shows, as light does in a pit.
    return opacity, depth + np.float32(0.1) * (image - depth)


def _stain(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:  # noqa: ARG001
    size = image.shape[:2]
    outline = drawn(partial(blob, radii=(0.09, 0.17)), size, rng)
    clouds = np.clip(0.8 + 0.4 * perlin_noise(size, (6, 6), rng=rng), 0.5, 1)
    darken = _mean(image, outline) > 0.35
    dye = rng.uniform(0.25, 0.45, 3) if not _is_grey(image) else np.full(3, rng.uniform(0.25, 0.45))
    wet = image * dye.astype(np.float32)
    target = wet if darken else 1 - (1 - image) * dye.astype(np.float32)
    # The cloudiness is in the colour, not in the opacity, so that the mask stays whole.
    return outline, image + clouds[:, :, None].astype(np.float32) * (target - image)


def _blur(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:  # noqa: ARG001
    from skimage.filters import gaussian

    opacity = drawn(partial(blob, radii=(0.12, 0.18)), image.shape[:2], rng)
    sigma = rng.uniform(0.02, 0.035) * np.sqrt(opacity.size)
    smooth: Picture = gaussian(image, sigma=sigma, channel_axis=2).astype(np.float32)
    return opacity, smooth


def _foreign_texture(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:
    return drawn(partial(blob, radii=(0.11, 0.18)), image.shape[:2], rng), texture


def _misplaced(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:  # noqa: ARG001
    height, width = image.shape[:2]
    opacity = drawn(patch, (height, width), rng)
    shift = (int(rng.integers(height // 4, height // 2)), int(rng.integers(width // 4, width // 2)))
    part = np.roll(image[::-1, ::-1], shift, axis=(0, 1))
    # It lies on top of the surface, so it catches other light and its rim is dark.
    lit = part * np.float32(rng.uniform(0.4, 0.55) if _mean(part, opacity) > 0.35 else rng.uniform(1.6, 2.2))
    inside = np.float32(1) * (opacity >= 1)
    return opacity, lit * (0.45 + 0.55 * inside[:, :, None])


def _perlin(image: Picture, texture: Picture, rng: np.random.Generator) -> tuple[FloatMap, Picture]:
    opacity = drawn(cloud, image.shape[:2], rng)
    away = -1 if _mean(image, opacity) > 0.5 else 1
    return opacity, texture + np.float32(away * rng.uniform(0.25, 0.35))


Painter = Callable[[Picture, Picture, np.random.Generator], tuple[FloatMap, Picture]]
"""From an image and a texture of its size to the opacity of the defect `(H, W)` and its full look."""

DEFECTS: Mapping[str, Painter] = MappingProxyType(
    {
        "scratch": _scratch,
        "hole": _hole,
        "stain": _stain,
        "blur": _blur,
        "foreign_texture": _foreign_texture,
        "misplaced": _misplaced,
        "perlin": _perlin,
    }
)
"""The kinds of defects by name."""


def _shade(image: Picture, *, amount: float, dark: bool) -> Picture:
    """One colour, `amount` of the way from the image's mean to beyond its darkest or lightest."""
    mean = image.mean(axis=(0, 1))
    low, high = np.quantile(image, (0.01, 0.99), axis=(0, 1))
    # On a flat image the quantiles are the mean itself; part of the way to black or white is still visible.
    # Beyond the quantiles, since within its own range a busy texture hides any colour.
    extreme = 0.35 * np.minimum(low, 0.4 * mean) if dark else 1 - 0.35 * (1 - np.maximum(high, 1 - 0.4 * (1 - mean)))
    colour = (mean + amount * (extreme - mean)).astype(np.float32)
    return np.broadcast_to(colour, image.shape)


def _mean(picture: Picture, opacity: FloatMap) -> float:
    return float(np.average(picture.mean(axis=2), weights=opacity))


def _picture(image: Image) -> Picture:
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def _is_grey(picture: Picture) -> bool:
    return bool((picture == picture[:, :, :1]).all())


def _covering(texture: Picture, size: tuple[int, ...], rng: np.random.Generator) -> Picture:
    """A piece of `texture` of the given size, mirrored at its borders where it is too small."""
    pads = [(0, max(0, wanted - got)) for wanted, got in zip(size, texture.shape[:2], strict=True)]
    wide = np.pad(texture, (*pads, (0, 0)), mode="symmetric")
    top = int(rng.integers(wide.shape[0] - size[0] + 1))
    left = int(rng.integers(wide.shape[1] - size[1] + 1))
    return wide[top : top + size[0], left : left + size[1]]


def _enlarged(image: Picture) -> Picture:
    """The image's middle at twice the scale, turned by a right angle: alike in colour, not in structure."""
    height, width = image.shape[:2]
    turned = image.swapaxes(0, 1)[::-1]  # (W, H, 3)
    rows = (np.arange(height) // 2 + width // 4) % width
    columns = (np.arange(width) // 2 + height // 4) % height
    return cast("Picture", turned[rows][:, columns])
