"""Fitting the normalisation of a detector anew to the scores of other normal images."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from utad.recalibration import Flagged, Recalibration
from utad.scoring.normalisation import ScoreNormalisation
from utad.thresholds import PastCalibration


def renormalise(
    normalisation: ScoreNormalisation,
    raw_scores: Sequence[float],
    fpr: float,
    *,
    thresholds: tuple[float, float | None],
) -> tuple[PastCalibration, Recalibration]:
    """Fits a normalisation to normal images, in place: `fpr` of them lie above 0.5 then.

    Args:
        normalisation: of the detector.
        raw_scores: of normal images, `(N,)`; where they do not differ only the location is taken.
        fpr: share of normal images above the threshold, above 0 and below 0.5.
        thresholds: those applied to the scores as they were normalised before: the threshold, and that of the band
            `fail`, None where it is the same.

    Returns:
        What is replaced, to be brought back, and what it came to.

    Raises:
        InputError: if there are no scores or some are not finite.
    """
    raw, before = torch.tensor(raw_scores, dtype=torch.float64), normalisation.of_image()
    past = PastCalibration(*thresholds, (before.location, before.limit), tuple(normalisation.normal.tolist()))
    normalisation.fit_images(raw, fpr, least_spread_of=before)
    scales = ((before, past.threshold), (normalisation.of_image(), 0.5))
    above = Flagged("normal", len(raw), *(int((scale.apply(raw) > limit).sum()) for scale, limit in scales))
    basis = f"{fpr:.3g} of normal images above it, from {len(raw)} images"
    return past, Recalibration(0.5, basis, len(raw), (above,))
