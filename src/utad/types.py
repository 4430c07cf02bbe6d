"""The values that travel between the parts: a sample of a data set, and what the detector says of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from utad.errors import ImageReadError, InputError

Image = NDArray[np.uint8] | NDArray[np.uint16]
"""An RGB image, `(H, W, 3)`, full scale: uint8 in [0, 255], or uint16 in [0, 65535] where the file has 16 bits."""

Mask = NDArray[np.bool_]
"""A segmentation, `(H, W)`, true where anomalous; or what counts of an image, true inside."""

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
        mask: the file or pixels of the ground truth, or several files, whose marks add up; None where there is none.
            A normal image needs none: all of it is normal.
    """

    name: str
    image: Path | Image = field(repr=False)
    anomalous: bool | None = None
    defect: str = ""
    mask: Path | tuple[Path, ...] | Mask | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Category:
    """The images of one category, split as its protocol says.

    Attributes:
        name: `bottle`, `elpv-mono`, `brick`, the folder's name, ...
        train: normal images only, in an order in which neighbours may resemble each other (time, space).
        test: normal and anomalous images, never seen in training, calibration or threshold setting.
        layout: that a folder was read by; empty for other data.
        left_out: what lies in the folder and is in neither, a line for each reason, with its count.
    """

    name: str
    train: Sequence[Sample]
    test: Sequence[Sample] = ()
    layout: str = ""
    left_out: Sequence[str] = ()


class LazyArrays(Mapping[str, NDArray[Any]]):
    """Arrays by name, each made when it is first asked for: most are never looked at.

    Pickling makes them all, so that what arrives elsewhere needs neither network nor runtime.

    Args:
        makers: by name, what makes the array.
    """

    def __init__(self, makers: Mapping[str, Callable[[], NDArray[Any]]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, NDArray[Any]] = {}

    @classmethod
    def changed(cls, arrays: Mapping[str, NDArray[Any]], change: Callable[[NDArray[Any]], NDArray[Any]]) -> LazyArrays:
        """The arrays by name, each changed when it is first asked for."""

        def maker(name: str) -> Callable[[], NDArray[Any]]:
            return lambda: change(arrays[name])

        return cls({name: maker(name) for name in arrays})

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


CODE_GRID = 2
"""Cells of an image's code to a side (docs/experiments/similar_images.md)."""


def feature_means_of(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of every feature over the image, `(..., C)`, from codes `(..., D)`, D = C * CODE_GRID^2."""
    means: NDArray[np.float32] = codes.reshape(*codes.shape[:-1], -1, CODE_GRID**2).mean(axis=-1)
    return means


@dataclass(frozen=True, kw_only=True)
class EngineResult:
    """What an engine computes of one image, at that image's own size `(H, W)`.

    Scores and maps are normalised: 0 is a typical normal image (or pixel), 0.5 the value that the chosen rate
    of normal images (pixels) exceeds, and nothing is clipped, so values below 0 and above 1 occur.

    Attributes:
        pred_score: normalised image score; higher is more anomalous.
        raw_score: the image score before normalisation; a monotone function of `pred_score`.
        anomaly_map: `(H, W)` float32, normalised e of Eq. 8 or its calibrated form. Outside the region of interest, if
            there is one, it has the lowest value of those inside, and so have the maps of the components.
        pictures: the restored images `impression`, `naive_impression` and `reconstruction` by name, `(H, W, 3)` uint8;
            empty for a compared method that restores none.
        component_maps: the map of each score component by name, `(H, W)` float32, standardised.
        shares: what each component has of `pred_score`, by the same names; they add up to it. Below 0 where a component
            speaks for a normal image. Empty where the engine does not tell.
        code: what the image looks like, `(D,)` float32, to find similar images by: the means of its features, each over
            `CODE_GRID` x `CODE_GRID` cells of the image, cell by cell; empty where the engine has none.
        inside: `(H, W)` bool, the region of interest that the model was trained for; None where the whole image counts.
        aligned: whether the image could be registered to the model's reference; None where the model aligns none.
    """

    pred_score: float
    raw_score: float
    anomaly_map: FloatMap = field(repr=False)
    pictures: Mapping[str, NDArray[np.uint8]] = field(repr=False, default_factory=dict)
    component_maps: Mapping[str, FloatMap] = field(repr=False, default_factory=dict)
    shares: Mapping[str, float] = field(repr=False, default_factory=dict)
    code: NDArray[np.float32] = field(repr=False, default_factory=lambda: np.empty(0, np.float32))
    inside: Mask | None = field(repr=False, default=None)
    aligned: bool | None = None

    @property
    def feature_means(self) -> NDArray[np.float32]:
        """The mean of every feature over the image, `(C,)`; empty where the engine has no code."""
        return feature_means_of(self.code)

    def is_finite(self) -> bool:
        """Whether score and map hold neither NaN nor infinity."""
        # One sum instead of a test of every value: both stay in it, and maps are far from the limit of float64.
        return math.isfinite(self.pred_score) and math.isfinite(float(self.anomaly_map.sum(dtype=np.float64)))


Band = Literal["pass", "review", "fail"]
"""Below the threshold; between the threshold and that of failing; above both."""


@dataclass(frozen=True)
class Region:
    """A connected part of a mask, in pixels of the input, x to the right and y down.

    Attributes:
        box: left, top, right and bottom; right and bottom are the first column and row outside.
        area: number of pixels.
        centroid: x and y.
        peak: highest value of the anomaly map inside.
        mean: its mean.
    """

    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    peak: float
    mean: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class Prediction(EngineResult):
    """What the detector says of one image: what the engine computes, and what follows from the thresholds.

    Attributes:
        pred_label: true when anomalous, i.e. `pred_score > threshold`.
        threshold: the threshold that was applied to `pred_score`; 0.5 unless set otherwise.
        fail_threshold: that of the band `fail`, at least `threshold`.
        pred_mask: `(H, W)` bool, Eq. 9; all false for an image that is called normal, never for another; false outside
            the region of interest.
        regions: the connected parts of the mask, the highest peak first.
    """

    pred_label: bool
    threshold: float
    fail_threshold: float
    pred_mask: Mask = field(repr=False)
    regions: tuple[Region, ...] = field(repr=False)

    @property
    def band(self) -> Band:
        """`pass` up to the threshold, `fail` above that of failing, `review` between them."""
        if not self.pred_label:
            return "pass"
        return "fail" if self.pred_score > self.fail_threshold else "review"

    @property
    def impression(self) -> NDArray[np.uint8]:
        """What the part should look like, m, `(H, W, 3)` uint8."""
        return self._restored("impression")

    @property
    def naive_impression(self) -> NDArray[np.uint8]:
        """The way back from the image to its impression, m_hat, `(H, W, 3)` uint8."""
        return self._restored("naive_impression")

    @property
    def reconstruction(self) -> NDArray[np.uint8]:
        """The impression with its details restored, x_hat, `(H, W, 3)` uint8."""
        return self._restored("reconstruction")

    def as_row(self, path: str, *, anomaly_map: str | None = None, pred_mask: str | None = None) -> dict[str, Any]:
        """The row of predictions.csv and predictions.jsonl.

        Args:
            path: of the image, as the table names it.
            anomaly_map: path of the map's file, if it was written.
            pred_mask: path of the mask's file, if it was written.

        Returns:
            Plain values; `regions` stands in the JSON lines alone, and so does `aligned`, of a model that aligns.
        """
        return {
            "path": path,
            "pred_score": self.pred_score,
            "pred_label": self.pred_label,
            "threshold": self.threshold,
            "anomaly_map": anomaly_map,
            "pred_mask": pred_mask,
            "band": self.band,
            "regions": [region.as_dict() for region in self.regions],
        } | ({} if self.aligned is None else {"aligned": self.aligned})

    def _repr_html_(self) -> str:
        """What notebooks show: score, band, map, restored images and regions."""
        from utad.report.notebook import prediction_html

        return prediction_html(self)

    def _restored(self, name: str) -> NDArray[np.uint8]:
        if not self.pictures:
            raise InputError("this method restores no images: only UTAD and its exports have an impression")
        return self.pictures[name]


Outcome = tuple[Sample, Prediction | ImageReadError]
"""A sample with its prediction, or with the reason why it cannot be read."""
