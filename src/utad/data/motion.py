"""Affine motions between images of any size, and what is moved by one. Without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from utad.types import FloatMap, Image

Matrix = NDArray[np.float64]
"""`(2, 3)`: a linear part and an offset, of x and y."""


@dataclass(frozen=True)
class Registration:
    """How an image lies, compared with the reference.

    Attributes:
        matrix: `(2, 3)` float64, from x and y in the reference to x and y in the image, both as parts of its width and
            height: 0 at the left or upper edge, 1 at the other.
        agreement: of the aligned image with the reference, a correlation in [-1, 1].
        succeeded: whether the agreement is that of the training images, and the motion within what is looked for. The
            matrix of a failure moves nothing.
    """

    matrix: NDArray[np.float64] = field(repr=False)
    agreement: float
    succeeded: bool

    def aligned(self, image: Image) -> Image:
        """An image `(H, W, 3)`, uint8 or uint16, as the reference lies; the image itself where nothing moves.

        What lies beyond its edges has the values of the edges.
        """
        height, width = image.shape[:2]
        matrix = at_size(self.matrix, (height, width))
        if np.array_equal(matrix, np.eye(2, 3)):
            return image
        if image.dtype == np.uint8:
            margin = _margin(matrix, (height, width))
            padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
            shifted = matrix + np.array([[0.0, 0.0, margin], [0.0, 0.0, margin]])
            return np.asarray(_transformed(PIL.Image.fromarray(padded), shifted, (height, width), fill=0))
        from scipy.ndimage import affine_transform

        linear, offset = in_rows_and_columns(at_centres(matrix))
        planes = [
            affine_transform(image[..., channel], linear, offset, order=1, mode="nearest") for channel in range(3)
        ]
        return np.stack(planes, axis=2)

    def brought_back(self, values: FloatMap) -> FloatMap:
        """A map `(H, W)` of the aligned image as the image lies; its lowest value where the reference shows nothing."""
        matrix = at_size(inverse(self.matrix), (values.shape[0], values.shape[1]))
        if np.array_equal(matrix, np.eye(2, 3)):
            return values
        size = (values.shape[0], values.shape[1])
        return np.asarray(_transformed(PIL.Image.fromarray(values), matrix, size, fill=float(values.min())))

    def back(self) -> Registration:
        """The way back: how the reference lies, compared with the image; what it aligns lies as the image does."""
        return Registration(inverse(self.matrix), self.agreement, self.succeeded)


def about_the_middle(angle: float, scale: float, size: tuple[int, int]) -> Matrix:
    """Turned by an angle in radians, from x towards y, and scaled."""
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.column_stack([linear, middle - linear @ middle])


def composed(outer: Matrix, inner: Matrix) -> Matrix:
    """First the inner one, then the outer one."""
    return outer[:, :2] @ inner + np.column_stack([np.zeros((2, 2)), outer[:, 2]])


def inverse(matrix: Matrix) -> Matrix:
    """The way back."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def in_rows_and_columns(matrix: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
    """Linear part and offset of rows and columns, as SciPy takes them."""
    return matrix[::-1, 1::-1].copy(), matrix[::-1, 2].copy()


def in_parts(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """From between the middles of pixels, counted from 0, to between parts of width and height."""
    to_edges = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5]])
    from_edges = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
    sides = np.array([size[1], size[0]], dtype=np.float64)
    at_edges = composed(from_edges, composed(matrix, to_edges))
    return np.column_stack([at_edges[:, :2] * sides / sides[:, None], at_edges[:, 2] / sides])


def at_size(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """From between parts of width and height to between pixels, counted from the edges."""
    sides = np.array([size[1], size[0]], dtype=np.float64)
    return np.column_stack([matrix[:, :2] * sides[:, None] / sides, matrix[:, 2] * sides])


def at_centres(matrix: Matrix) -> Matrix:
    """From pixels counted from the edges to pixels counted from the middle of the first."""
    to_centres = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
    from_centres = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5]])
    return composed(from_centres, composed(matrix, to_centres))


def _transformed(picture: PIL.Image.Image, matrix: Matrix, size: tuple[int, int], *, fill: float) -> PIL.Image.Image:
    height, width = size
    return picture.transform(
        (width, height),
        PIL.Image.Transform.AFFINE,
        data=tuple(matrix.ravel().tolist()),
        resample=PIL.Image.Resampling.BILINEAR,
        fillcolor=fill if picture.mode == "F" else None,
    )


def _margin(matrix: Matrix, size: tuple[int, int]) -> int:
    """By how many pixels what the matrix leads to lies beyond the edges, at most."""
    height, width = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], dtype=np.float64) @ matrix.T
    beyond = np.concatenate([-corners.ravel(), (corners - [width, height]).ravel()])
    return max(0, math.ceil(float(beyond.max()))) + 1
