"""Registration of images to a reference image, by phase correlation. Without torch.

Rotation and scale are read off the amplitudes of the Fourier transforms in log-polar coordinates, which a translation
does not change, and the translation off the phases (Reddy and Chatterji, 1996); scikit-image computes both.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.config import ImageConfig
from utad.data.even_choice import evenly_chosen
from utad.data.motion import Matrix, Registration, about_the_middle, composed, in_parts, in_rows_and_columns
from utad.data.reading import load_image
from utad.errors import ImageReadError
from utad.progress import tracked
from utad.types import FloatMap, Image, Sample

Motion = Literal["translation", "similarity"]

SIDE = 192
"""Longest side of the reference, at which images are compared, in pixels."""

LARGEST_SHIFT = 0.3
LARGEST_ANGLE = 45.0
LARGEST_SCALE = 1.25
"""What is beyond them is taken for a failure: shift as a part of the side, degrees, ratio."""

_LEAST_AGREEMENT = 0.3
_LEAST_OVERLAP = 0.25
_MARGIN, _SIGMAS = 0.1, 6.0
_CANDIDATES, _OTHERS, _KNOWN = 4, 6, 30
_SUBPIXEL = 10
_ROUNDS = 2
_ANGLES, _RADII = 180, 128


@dataclass(frozen=True, eq=False)
class Alignment:
    """Brings images to the position of a reference.

    Attributes:
        reference: `(h, w)` uint8, the grey values of a typical image.
        motion: what is looked for: a translation, or with it a rotation and a scale.
        least_agreement: an image that agrees less has not been registered.
    """

    reference: NDArray[np.uint8] = field(repr=False)
    motion: Motion
    least_agreement: float = _LEAST_AGREEMENT

    def register(self, image: Image) -> Registration:
        """How an image `(H, W, 3)`, uint8 or uint16, lies."""
        return self.register_grey(grey_of(image, self._size))

    def register_grey(self, picture: NDArray[np.uint8]) -> Registration:
        """The same from its grey values at the size of the reference."""
        moving = picture.astype(np.float32)
        best, agreement = np.eye(2, 3), self._agreement(moving, np.eye(2, 3))
        for matrix in self._found(moving):
            found = self._agreement(moving, matrix)
            if found > agreement:
                best, agreement = matrix, found
        if agreement < self.least_agreement or not _within_limits(best, self._size):
            return Registration(np.eye(2, 3), agreement, succeeded=False)
        return Registration(in_parts(best, self._size), agreement, succeeded=True)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; the reference as a PNG in base64."""
        buffer = io.BytesIO()
        PIL.Image.fromarray(self.reference).save(buffer, format="PNG")
        png = base64.b64encode(buffer.getvalue()).decode()
        return {"motion": self.motion, "least_agreement": self.least_agreement, "png": png}

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Alignment | None:
        """The inverse of `as_dict`; None where there is nothing."""
        if values is None:
            return None
        with PIL.Image.open(io.BytesIO(base64.b64decode(values["png"]))) as picture:
            reference = np.array(picture.convert("L"))
        return cls(reference, values["motion"], float(values["least_agreement"]))

    @property
    def _size(self) -> tuple[int, int]:
        return self.reference.shape[0], self.reference.shape[1]

    @cached_property
    def _fixed(self) -> FloatMap:
        return self.reference.astype(np.float32)

    @cached_property
    def _spectrum(self) -> FloatMap:
        return _log_polar(self._fixed)

    def _found(self, moving: FloatMap) -> list[Matrix]:
        """What may be, from pixels of the reference to those of the image."""
        if moving.min() == moving.max():
            return []
        shifted, turned, found = np.eye(2, 3), np.eye(2, 3), []
        # Each round sees the image as the last one has moved it: the second corrects the first.
        for _ in range(_ROUNDS):
            shifted = self._translated(moving, shifted)
            found.append(shifted)
            if self.motion == "similarity":
                turned = self._translated(moving, self._turned(moving, turned))
                found.append(turned)
        return found

    def _translated(self, moving: FloatMap, matrix: Matrix) -> Matrix:
        down, right = _shift(_windowed(self._fixed), _windowed(_warped(moving, matrix)))
        return composed(matrix, np.array([[1.0, 0.0, -right], [0.0, 1.0, -down]]))

    def _turned(self, moving: FloatMap, matrix: Matrix) -> Matrix:
        spectrum = _log_polar(_warped(moving, matrix))
        down, right = _shift(self._spectrum, spectrum)
        angle = -down * math.pi / _ANGLES
        scale = math.exp(right * math.log(_radius(self._size)) / _RADII)
        return composed(matrix, about_the_middle(angle, scale, self._size))

    def _agreement(self, moving: FloatMap, matrix: Matrix) -> float:
        there = _warped(np.ones_like(moving), matrix) > 0.99
        if there.mean() < _LEAST_OVERLAP:
            return -1.0
        fixed, aligned = (_centred(picture[there]) for picture in (self._fixed, _warped(moving, matrix)))
        length = float(np.linalg.norm(fixed) * np.linalg.norm(aligned))
        return float(fixed @ aligned) / length if length > 0 else 0.0


def alignment_of(settings: ImageConfig, samples: Sequence[Sample], *, progress: bool = False) -> Alignment | None:
    """The alignment that the config asks for, from the images of a training; None where it asks for none.

    Images that cannot be read are passed over here: they are told of when all are read.

    Args:
        settings: with `align`.
        samples: normal images.
        progress: shows a progress bar, instead of lines in the log.
    """
    if settings.align == "none":
        return None
    pictures: list[NDArray[np.uint8]] = []
    looked_at = evenly_chosen(samples, _KNOWN)
    for sample in tracked(looked_at, len(looked_at), "looking for a typical image", bar=progress):
        try:
            image = load_image(sample, max_pixels=settings.max_pixels)
        except ImageReadError:
            continue
        pictures.append(grey_of(image, pictures[0].shape if pictures else None))
    return fit_alignment(pictures, settings.align) if pictures else None


def fit_alignment(pictures: Sequence[NDArray[np.uint8]], motion: Motion) -> Alignment:
    """Chooses the reference, and the agreement from which on an image counts as registered.

    The reference is that of a few images with which others agree best once they are aligned to it.

    Args:
        pictures: grey values of normal images, `(h, w)` each, as of `grey_of`; at least one.
        motion: what is looked for.
    """
    candidates, others = (evenly_chosen(pictures, count) for count in (_CANDIDATES, _OTHERS))
    medians = []
    for reference in candidates:
        tried = Alignment(reference, motion, least_agreement=-1.0)
        medians.append(float(np.median([tried.register_grey(picture).agreement for picture in others])))
    reference = candidates[int(np.argmax(medians))]
    tried = Alignment(reference, motion, least_agreement=-1.0)
    found = np.array([tried.register_grey(picture).agreement for picture in evenly_chosen(pictures, _KNOWN)])
    middle = float(np.median(found))
    spread = 1.4826 * float(np.median(np.abs(found - middle)))
    return Alignment(reference, motion, max(_LEAST_AGREEMENT, middle - max(_MARGIN, _SIGMAS * spread)))


def aligned(sample: Sample, image: Image, alignment: Alignment | None) -> Image:
    """An image of the training as the reference lies; as it is where nothing is aligned.

    Raises:
        ImageReadError: if it cannot be registered.
    """
    if alignment is None:
        return image
    found = alignment.register(image)
    if not found.succeeded:
        raise ImageReadError(
            f"{sample.name} does not lie as the other images do, by no {alignment.motion} (image.align): its agreement "
            f"with a typical one is {found.agreement:.2f}, expected at least {alignment.least_agreement:.2f}"
        )
    return found.aligned(image)


def grey_of(image: Image, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Grey values at the size `(h, w)`, or with the longest side `SIDE` where none is given.

    Args:
        image: `(H, W, 3)`, uint8 or uint16.
        size: of the result.
    """
    if size is None:
        shrink = SIDE / max(image.shape[:2])
        size = (max(1, round(image.shape[0] * shrink)), max(1, round(image.shape[1] * shrink)))
    # Few images of 16 bits use all of them; a correlation does not mind the scale.
    levels = image if image.dtype == np.uint8 else (image * (255.0 / max(1, int(image.max())))).astype(np.uint8)
    picture = PIL.Image.fromarray(levels).convert("L")
    return np.asarray(picture.resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR, reducing_gap=2.0))


def _shift(fixed: FloatMap, moving: FloatMap) -> tuple[float, float]:
    """Down and to the right, by how many pixels `moving` is to be shifted to lie as `fixed`."""
    from skimage.registration import phase_cross_correlation

    shift, _, _ = phase_cross_correlation(fixed, moving, upsample_factor=_SUBPIXEL, normalization=None)
    return float(shift[0]), float(shift[1])


def _log_polar(picture: FloatMap) -> FloatMap:
    """The amplitudes of a Fourier transform by angle, 0 to 180 degrees, and logarithm of the frequency."""
    from skimage.filters import difference_of_gaussians
    from skimage.transform import warp_polar

    side = max(picture.shape)
    square = np.zeros((side, side), np.float32)
    square[: picture.shape[0], : picture.shape[1]] = _windowed(difference_of_gaussians(picture, 1, 8))
    amplitudes = np.abs(np.fft.fftshift(np.fft.fft2(square)))
    polar = warp_polar(
        np.log1p(amplitudes),
        center=(side // 2, side // 2),
        radius=_radius(picture.shape),
        output_shape=(2 * _ANGLES, _RADII),
        scaling="log",
    )[:_ANGLES]
    # Frequencies end, angles go round: only the former fade out.
    return (_centred(polar) * np.hanning(_RADII)).astype(np.float32)


def _radius(size: Sequence[int]) -> float:
    return max(size) / 3


def _windowed(picture: FloatMap) -> FloatMap:
    height, width = picture.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    return _centred(picture) * window.astype(np.float32)


def _centred(values: FloatMap) -> FloatMap:
    return cast("FloatMap", values - values.mean())


def _warped(picture: FloatMap, matrix: Matrix) -> FloatMap:
    """A picture at the places that the matrix says, zero beyond it."""
    from scipy.ndimage import affine_transform

    linear, offset = in_rows_and_columns(matrix)
    return cast("FloatMap", affine_transform(picture, linear, offset, order=1, mode="constant"))


def _within_limits(matrix: Matrix, size: tuple[int, int]) -> bool:
    height, width = size
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = np.abs(matrix @ [*middle, 1.0] - middle) / [width, height]
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    angle = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return bool(
        moved.max() <= LARGEST_SHIFT and abs(angle) <= LARGEST_ANGLE and 1 / LARGEST_SCALE <= scale <= LARGEST_SCALE
    )
