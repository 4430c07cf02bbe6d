"""UTAD as an outlier detector of scikit-learn: in a Pipeline, in cross_val_score, cloned, with its own conventions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from utad.dependencies import extras_named
from utad.errors import InputError
from utad.inputs import Input

with extras_named():
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from utad.detector import UTAD

Images = NDArray[Any] | Sequence[Input]
"""`(n, H, W)` or `(n, H, W, C)`, uint8, uint16 or float in [0, 1]; or a sequence of what `UTAD` takes: paths, say."""


class UTADDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns from normal images; what is anomalous is an outlier.

    As everywhere in scikit-learn, a higher score is a more normal image, unlike the scores of `UTAD`, and the label is
    1 for normal and -1 for anomalous ones.

    Args:
        preset: as for `UTAD`.
        overrides: `section.key=value` on top of it.
        seed: of everything random.

    Attributes:
        detector_: the fitted `utad.UTAD`, with its maps, masks and explanations.
        offset_: above which a score is that of a normal image.

    Example:
        >>> from sklearn.base import clone
        >>> from utad.integrations.sklearn import UTADDetector
        >>> clone(UTADDetector(overrides=("image.size=64",))).get_params()["overrides"]
        ('image.size=64',)
    """

    detector_: UTAD
    offset_: float

    def __init__(self, preset: str = "fast", *, overrides: Sequence[str] = (), seed: int = 0) -> None:
        self.preset = preset
        self.overrides = overrides
        self.seed = seed

    def fit(self, X: Images, y: object = None) -> Self:  # noqa: N803 - the names that scikit-learn calls
        """Trains on normal images.

        Args:
            X: normal images, 4 or more.
            y: not used; there because scikit-learn hands it over.

        Raises:
            ConfigError: if a setting is wrong.
            DatasetError: naming every file that cannot be read.
            InputError: if X holds no images.
            TrainingError: if there are too few.
        """
        del y
        from utad.detector import UTAD

        images = _images(X)
        self.detector_ = UTAD(self.preset, overrides=self.overrides, seed=self.seed).fit(images)
        self.offset_ = -self.detector_.threshold
        return self

    def score_samples(self, X: Images) -> NDArray[np.float64]:  # noqa: N803
        """The negative scores of images, `(n,)`: 0 is a typical normal image, and the lower the more anomalous.

        Raises:
            ImageReadError: naming a file that cannot be read.
            NotFittedError: scikit-learn's, before `fit`.
        """
        check_is_fitted(self)
        scores = [prediction.pred_score for prediction in self.detector_.predict(_images(X))]
        return -np.array(scores, dtype=np.float64)

    def decision_function(self, X: Images) -> NDArray[np.float64]:  # noqa: N803
        """`score_samples` less `offset_`, `(n,)`: negative for anomalous images."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Images) -> NDArray[np.int64]:  # noqa: N803
        """1 for normal images and -1 for anomalous ones, `(n,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def __sklearn_tags__(self) -> Any:
        """Images instead of a table of features."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _images(given: Images) -> list[Input]:
    if isinstance(given, str | Path) or not isinstance(given, Iterable):
        raise InputError(f"got {given!r}, expected an array of images (n, H, W[, C]) or a sequence of images or paths")
    if isinstance(given, np.ndarray) and given.dtype != object and given.ndim not in (3, 4):
        raise InputError(f"got an array of shape {given.shape}, expected images: (n, H, W) or (n, H, W, C)")
    return list(given)
