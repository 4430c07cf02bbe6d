from __future__ import annotations

import numpy as np
import pytest

from tests import fabricate
from utad.errors import ImageReadError
from utad.export.parity import Parity, compare, fabricated_samples
from utad.types import Prediction, Sample

PICTURE = fabricate.picture(2, 2)
PICTURES = dict.fromkeys(("impression", "naive_impression", "reconstruction"), PICTURE)


def predicting(*scores):
    """Predictions with these scores, the map everywhere the score; None is an unreadable file."""

    def predict_samples(samples):
        for sample, score in zip(samples, scores, strict=True):
            if score is None:
                yield sample, ImageReadError("gone")
                continue
            heat = np.full((2, 2), score, np.float32)
            yield (
                sample,
                Prediction(
                    pred_score=score,
                    raw_score=score,
                    anomaly_map=heat,
                    pictures=PICTURES,
                    pred_label=score > 0.5,
                    threshold=0.5,
                    fail_threshold=0.8,
                    regions=(),
                    pred_mask=heat > 0.5,
                ),
            )

    return predict_samples


def test_differences_are_relative_to_the_score_or_to_the_threshold():
    samples = [Sample(f"{index}", PICTURE) for index in range(3)]
    found = compare(predicting(4.0, 0.0, 0.4), predicting(4.4, 0.01, 0.6), samples, images="three")
    assert found == Parity("three", 3, found.score, found.score_median, found.anomaly_map, 1)
    assert np.isclose(found.score, 0.2 / 0.5)
    assert np.isclose(found.score_median, 0.4 / 4)
    assert np.isclose(found.anomaly_map, 0.4)
    assert found.as_dict()["labels_flipped"] == 1


@pytest.mark.parametrize("gone", [(1.0, None), (None, 1.0), (None, None)])
def test_a_file_that_cannot_be_read_stops_it(gone):
    first, second = gone
    with pytest.raises(ImageReadError, match="gone"):
        compare(predicting(first), predicting(second), [Sample("x", PICTURE)], images="one")


def test_fabricated_images_are_the_same_each_time_and_of_both_kinds():
    one, other = fabricated_samples(), fabricated_samples()
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))
    grey = [bool((sample.image[..., 0] == sample.image[..., 1]).all()) for sample in one]
    assert {True, False} == set(grey)
