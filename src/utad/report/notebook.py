"""What a notebook shows of a prediction and of an explanation: small HTML that needs no style sheet and no script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from utad.interpret.explanation import Explanation
from utad.interpret.figures import OUTLINE, coloured, heat_overlay, strength, thinned, to_8_bit
from utad.report.data_uris import thumbnail_uri
from utad.report.rendering import render, text
from utad.types import Prediction

_Value = TypeVar("_Value", bound=np.generic)

SHOWN = 5
"""Regions in the table, those with the highest peaks."""

_SIDE, _MOST_BYTES = 256, 40_000
"""Of a picture: its longer side in pixels, and the bytes of its file."""

_RESTORED = {
    "impression": "impression m",
    "naive_impression": "naive impression m̂",
    "reconstruction": "reconstruction x̂",
}


def prediction_html(prediction: Prediction) -> str:
    """Score, label and band, the map with the outline of the mask, the restored images and the regions.

    A prediction does not hold its image: an `Explanation` does.
    """
    level = strength(_small(prediction.anomaly_map), _inside(prediction))
    heat = coloured(level)
    mask = _small(prediction.pred_mask)
    if mask.any():
        from skimage.segmentation import find_boundaries

        heat[find_boundaries(mask, mode="thick")] = OUTLINE
    return _html(prediction, [("anomaly map", heat), *_restored(prediction)])


def explanation_html(explanation: Explanation) -> str:
    """The same, with name and image, the map over the image, and the shares of the components."""
    prediction, image = explanation.prediction, _small(to_8_bit(explanation.image))
    overlay = heat_overlay(image, _small(prediction.anomaly_map), _small(prediction.pred_mask), _inside(prediction))
    pictures = [("image x", image), ("anomaly map, mask", overlay), *_restored(prediction)]
    return _html(prediction, pictures, name=explanation.name, shares=explanation.shares)


def _html(
    prediction: Prediction,
    pictures: Sequence[tuple[str, NDArray[np.uint8]]],
    *,
    name: str = "",
    shares: dict[str, float] | None = None,
) -> str:
    height, width = prediction.anomaly_map.shape
    return render(
        "notebook.html",
        prediction=prediction,
        name=text(name),
        size=(width, height),
        pictures=[(title, thumbnail_uri(pixels, _SIDE, _MOST_BYTES)) for title, pixels in pictures],
        shares=shares or {},
        regions=prediction.regions[:SHOWN],
    )


def _restored(prediction: Prediction) -> list[tuple[str, NDArray[np.uint8]]]:
    return [(title, _small(prediction.pictures[key])) for key, title in _RESTORED.items() if key in prediction.pictures]


def _inside(prediction: Prediction) -> NDArray[np.bool_] | None:
    return _small(prediction.inside) if prediction.inside is not None else None


def _small(pixels: NDArray[_Value]) -> NDArray[_Value]:
    return thinned(pixels, _SIDE)
