"""What evaluation asks of a method, be it UTAD, an export of it or a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from utad.config import Config
from utad.errors import ImageReadError
from utad.types import FloatMap, Mask, Prediction, Sample


class Scored(Protocol):
    """What the metrics need of a prediction, be it UTAD's or a baseline's."""

    @property
    def raw_score(self) -> float:
        """Before normalisation; higher is more anomalous."""

    @property
    def pred_label(self) -> bool:
        """True when anomalous."""

    @property
    def anomaly_map(self) -> FloatMap:
        """`(H, W)`."""

    @property
    def pred_mask(self) -> Mask:
        """`(H, W)`."""


_Prediction = TypeVar("_Prediction", bound=Scored, covariant=True)


class Predictor(Protocol[_Prediction]):
    """A fitted method."""

    def predict_samples(
        self, samples: Sequence[Sample], *, batch_size: int = 8
    ) -> Iterator[tuple[Sample, _Prediction | ImageReadError]]:
        """Scores a stream of images."""


class Detector(Predictor[Prediction], Protocol):
    """UTAD itself, in whatever runtime."""

    @property
    def config(self) -> Config:
        """The resolved config."""
