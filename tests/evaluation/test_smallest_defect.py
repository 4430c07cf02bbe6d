from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from utad import Sample
from utad.data.geometry import Geometry
from utad.data.region_of_interest import RegionOfInterest
from utad.errors import ConfigError, DataError, ImageReadError, InputError
from utad.evaluation.smallest_defect import Recall, SmallestDefect, measure_smallest_defect
from utad.predictor import Predictor
from utad.types import EngineResult


class Blurred:
    """An engine that sees how far a blurred image is from grey: what is small or pale, it misses."""

    max_batch, streams, same_size = 4, 1, False

    def run(self, images, *, concurrent=False):
        return [self.result(image) for image in images]

    def result(self, image):
        far = np.abs(image[..., 0].astype(np.float32) - 128) / 255
        seen = uniform_filter(far, 9, mode="nearest")
        return EngineResult(pred_score=float(seen.max()), raw_score=float(seen.max()), anomaly_map=seen)


@pytest.fixture
def predictor():
    return Predictor(Blurred(), threshold=0.2)


def plain(count: int, level: int = 128, side: int = 96):
    return [Sample(f"{index}.png", np.full((side, side + 20, 3), level, np.uint8)) for index in range(count)]


def test_recall_rises_with_size_and_contrast(predictor):
    found = measure_smallest_defect(predictor, plain(6), sizes=(3, 6, 12), contrasts=(0.1, 0.25, 0.5), n_images=4)
    assert (found.n_images, found.n_flagged, found.image_size) == (4, 0, (96, 116))
    spots = {(one.size, one.contrast): one.recall for one in found.recalls if one.shape == "spot"}
    # The mean over 9 x 9 pixels of a spot of 12 is its contrast; of one of 6 a third of it; of one of 3 a twelfth.
    assert [spots[12, 0.1], spots[12, 0.25], spots[12, 0.5]] == [0.0, 1.0, 1.0]
    assert [spots[6, 0.25], spots[6, 0.5]] == [0.0, 0.0]
    assert spots[3, 0.5] == 0.0
    assert (found.smallest("spot", 0.25), found.smallest("spot", 0.1)) == (12, None)
    # A line of 12 pixels would be longer than the image.
    assert {one.size for one in found.recalls if one.shape == "line"} == {3, 6}
    assert all(one.n_images == 4 for one in found.recalls)


def test_an_image_that_is_flagged_anyway_counts_only_where_it_is_marked(predictor):
    images = plain(3)
    for sample in images:
        sample.image[:12, :12] = 255
    found = measure_smallest_defect(predictor, images, sizes=(3,), contrasts=(0.1,), n_images=3)
    assert found.n_flagged == 3
    assert all(one.n_found == 0 for one in found.recalls)


def test_sizes_follow_the_image_where_none_are_given(predictor):
    found = measure_smallest_defect(predictor, plain(1, side=400), contrasts=(0.5,), n_images=1)
    assert [one.size for one in found.recalls if one.shape == "spot"] == [4, 8, 12, 20, 32, 48, 80]
    assert [one.size for one in found.recalls if one.shape == "line"] == [1, 2, 4, 8, 16]


def test_the_same_seed_gives_the_same_places(predictor):
    found = [
        measure_smallest_defect(predictor, plain(2), sizes=(7, 8, 9), contrasts=(0.5,), seed=seed) for seed in (1, 1, 2)
    ]
    assert found[0] == found[1]
    assert found[0].as_dict()["recalls"][0].keys() == {"shape", "size", "contrast", "n_found", "n_images", "recall"}


def test_defects_lie_in_the_region_of_interest(predictor, monkeypatch):
    mask = np.zeros((96, 116), np.bool_)
    mask[:, 58:] = True
    predictor.geometry = Geometry(region=RegionOfInterest(mask, (128, 128, 128)))
    seen = []
    run = predictor.engine.run
    monkeypatch.setattr(
        predictor.engine,
        "run",
        lambda images, *, concurrent=False: seen.extend(images) or [replace(one, inside=mask) for one in run(images)],
    )
    measure_smallest_defect(predictor, plain(3), sizes=(4,), contrasts=(0.5,))
    columns = [np.nonzero((image != 128).any(axis=(0, 2)))[0].mean() for image in seen if (image != 128).any()]
    assert len(columns) == 6
    assert min(columns) >= 57


def test_the_smallest_size_is_the_one_from_which_on_all_are_found():
    def recalls(*found):
        return tuple(Recall("spot", size, 0.5, n, 10) for size, n in zip((4, 8, 16), found, strict=True))

    for counts, smallest in (((9, 10, 9), 4), ((10, 8, 10), 16), ((10, 10, 8), None)):
        assert SmallestDefect(recalls(*counts), (96, 96), 10, 0).smallest("spot", 0.5) == smallest


def test_what_cannot_be_measured_is_explained(predictor, tmp_path):
    with pytest.raises(DataError, match="no normal images"):
        measure_smallest_defect(predictor, [])
    with pytest.raises(ConfigError, match="0 contrasts"):
        measure_smallest_defect(predictor, plain(1), contrasts=())
    with pytest.raises(InputError, match="none of the sizes 200, 300 fits into 96 pixels"):
        measure_smallest_defect(predictor, plain(1), sizes=(200, 300))
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageReadError, match=r"broken\.png"):
        measure_smallest_defect(predictor, [Sample("broken.png", tmp_path / "broken.png")])
