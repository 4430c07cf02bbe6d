"""The values that travel between the parts: a sample of a data set, and what the detector says of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8] | NDArray[np.uint16]
"""An RGB image, `(H, W, 3)`, full scale: uint8 in [0, 255], or uint16 in [0, 65535] where the file has 16 bits."""

Mask = NDArray[np.bool_]
"""A segmentation, `(H, W)`, true where anomalous."""

FloatMap = NDArray[np.float32]
"""A map of floats, `(H, W)`."""


@dataclass(frozen=True)
class Sample:
    """One image of a data set, not yet read.

    Attributes:
        name: unique within the data set; for files the path relative to the data set's root, with `/`.
        image: the file, or the pixels themselves.
        anomalous: the label; None where it is not known.
        defect: the kind of defect as the data set names it; `good` for normal images, empty if unknown.
        mask: the file or pixels of the ground truth; None where there is none. A normal image needs none: all
            of it is normal.
    """

    name: str
    image: Path | Image = field(repr=False)
    anomalous: bool | None = None
    defect: str = ""
    mask: Path | Mask | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Category:
    """The images of one category, split as its protocol says.

    Attributes:
        name: `bottle`, `elpv-mono`, `brick`, the folder's name, ...
        train: normal images only, in an order in which neighbours may resemble each other (time, space).
        test: normal and anomalous images, never seen in training, calibration or threshold setting.
    """

    name: str
    train: Sequence[Sample]
    test: Sequence[Sample] = ()


class Pictures(Protocol):
    """The images that explain a prediction, `(H, W, 3)` uint8 each; they may be made when first asked for."""

    @property
    def impression(self) -> NDArray[np.uint8]:
        """What the part should look like, m."""

    @property
    def naive_impression(self) -> NDArray[np.uint8]:
        """The way back from the image to its impression, m_hat."""

    @property
    def reconstruction(self) -> NDArray[np.uint8]:
        """The impression with its details restored, x_hat."""


@dataclass(frozen=True)
class StoredPictures:
    """`Pictures` that are there already."""

    impression: NDArray[np.uint8] = field(repr=False)
    naive_impression: NDArray[np.uint8] = field(repr=False)
    reconstruction: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True)
class Prediction:
    """What the detector says of one image, at that image's own size `(H, W)`.

    Scores and maps are normalised: 0 is a typical normal image (or pixel), 0.5 the value that the chosen rate
    of normal images (pixels) exceeds, and nothing is clipped, so values below 0 and above 1 occur.

    Attributes:
        pred_score: normalised image score; higher is more anomalous.
        pred_label: true when anomalous, i.e. `pred_score > threshold`.
        threshold: the threshold that was applied to `pred_score`; 0.5 unless set otherwise.
        raw_score: the image score before normalisation; a monotone function of `pred_score`.
        anomaly_map: `(H, W)` float32, normalised e of Eq. 8 or its calibrated form.
        pred_mask: `(H, W)` bool, Eq. 9: `anomaly_map > 0.5`, or the threshold set for pixels.
        pictures: m, m_hat and x_hat, which stand as `impression`, `naive_impression` and `reconstruction` too.
        term_maps: each term of the score by name, `(H, W)` float32, on that term's own scale.
    """

    pred_score: float
    pred_label: bool
    threshold: float
    raw_score: float
    anomaly_map: FloatMap = field(repr=False)
    pred_mask: Mask = field(repr=False)
    pictures: Pictures = field(repr=False)
    term_maps: Mapping[str, FloatMap] = field(repr=False, default_factory=dict)

    @property
    def impression(self) -> NDArray[np.uint8]:
        """The impression m, `(H, W, 3)` uint8."""
        return self.pictures.impression

    @property
    def naive_impression(self) -> NDArray[np.uint8]:
        """The naive impression m_hat, `(H, W, 3)` uint8."""
        return self.pictures.naive_impression

    @property
    def reconstruction(self) -> NDArray[np.uint8]:
        """The reconstruction x_hat, `(H, W, 3)` uint8."""
        return self.pictures.reconstruction
