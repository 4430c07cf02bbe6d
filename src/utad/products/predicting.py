"""Scoring the images of many products, each folder of them by the detector of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utad.data.folder import product_folders
from utad.errors import DatasetError, UTADError, noted
from utad.evaluation.prediction_folder import PredictionSummary


@dataclass
class ProductPredictions:
    """What scoring came to.

    Attributes:
        scored: by product.
        failed: products that were not scored, each with its reason.
    """

    scored: dict[str, PredictionSummary] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"products": {name: one.as_dict() for name, one in self.scored.items()}, "failed": list(self.failed)}


def predict_products(
    models: Mapping[str, Path], images: Path, score: Callable[[str, Path, Path], PredictionSummary]
) -> ProductPredictions:
    """Scores each folder in `images`; one that has no detector, or fails, is named and the rest goes on.

    Args:
        models: by name of the product.
        images: a folder that holds a folder of images for each product, with its name.
        score: scores a product, given its name, its model and its folder.

    Raises:
        DatasetError: if there are images beside these folders, there are none, or none has a detector.
    """
    names = product_folders(images)
    if not models.keys() & set(names):
        raise DatasetError(
            f"{images} holds the folders {', '.join(names)}, and there are detectors for {', '.join(models)}: a folder "
            "has the name of its product"
        )
    done = ProductPredictions()
    with noted(lambda: f"of {len(done.scored)} products all is scored; the same command with --resume goes on"):
        for name in names:
            if name not in models:
                done.failed.append(f"{name}: there is no trained detector of this name")
                continue
            try:
                done.scored[name] = score(name, models[name], images / name)
            except UTADError as error:
                done.failed.append(f"{name}: {error}")
    return done
