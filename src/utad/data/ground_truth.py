"""What is true of a test image, as far as it lies in the region of interest of a model."""

from __future__ import annotations

from typing import NamedTuple

from utad.data.reading import load_mask
from utad.types import Mask, Sample


class Truth(NamedTuple):
    """What a prediction is compared with.

    Attributes:
        anomalous: whether there is a defect that counts.
        mask: the defects that count, `(H, W)`; None where they are not known.
        outside: whether the image has defects, none of which counts.
    """

    anomalous: bool
    mask: Mask | None
    outside: bool = False


def truth_of(sample: Sample, size: tuple[int, int], inside: Mask | None) -> Truth:
    """The truth of a labelled sample.

    Args:
        sample: with a label.
        size: `(H, W)` of its image.
        inside: bool `(H, W)`, what counts; None for the whole image. An image whose defects all lie outside is normal;
            one without a mask is what its label says.

    Raises:
        DataError: as for `load_mask`.
    """
    anomalous, mask = bool(sample.anomalous), load_mask(sample, size)
    if inside is None or mask is None:
        return Truth(anomalous, mask)
    seen = mask & inside
    outside = anomalous and bool(mask.any()) and not bool(seen.any())
    return Truth(anomalous and not outside, seen, outside)


def is_anomalous(sample: Sample, inside: Mask | None) -> bool:
    """The label of `truth_of`; masks are read only where a region of interest asks for them."""
    if inside is None or not sample.anomalous:
        return bool(sample.anomalous)
    return truth_of(sample, (inside.shape[0], inside.shape[1]), inside).anomalous
