from __future__ import annotations

import numpy as np
import pytest

from utad.evaluation.chosen_images import ScoredImage, choose
from utad.types import Sample


def images(**scores: list[float]) -> list[ScoredImage]:
    """By kind and scores; names tell both."""
    return [
        ScoredImage(Sample(f"{kind} {score}", np.zeros((1, 1, 3), np.uint8)), kind, score)
        for kind, own in scores.items()
        for score in own
    ]


def names(chosen) -> list[str]:
    return [one.sample.name for one in chosen.images]


def test_of_each_kind_the_median_is_chosen_and_the_normal_one_comes_last():
    found = choose(images(normal=[0.1, 0.3, 0.2], hole=[5.0, 1.0, 3.0], crack=[2.0]), 2)
    assert names(found) == ["crack 2.0", "hole 3.0", "normal 0.2"]
    assert found.rule == (
        "Images chosen by a rule, from the scores of utad: of each kind of defect the image of median score; "
        "the normal image of median score."
    )


def test_more_images_than_kinds_lie_evenly_in_the_ranking_of_each():
    found = choose(images(hole=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], crack=[1.0, 2.0, 3.0]), 3)
    # Two of crack, which comes first by name: the middles of the upper and the lower half.
    assert names(found) == ["crack 3.0", "crack 1.0", "hole 3.0"]
    assert "3 images, evenly from the kinds of defect, in the middle of equal parts" in found.rule


def test_more_kinds_than_images_are_thinned_evenly_by_name():
    found = choose(images(**{f"k{index}": [1.0] for index in range(9)}), 3)
    assert names(found) == ["k1 1.0", "k4 1.0", "k7 1.0"]
    assert "of 3 of the 9 kinds of defect, evenly by name, the image of median score." in found.rule


def test_the_choice_depends_on_no_order_and_takes_no_image_twice():
    every = images(hole=[1.0, 1.0, 2.0, 2.0], normal=[0.0])
    assert names(choose(every, 4)) == names(choose(every[::-1], 4))
    assert len(choose(images(hole=[1.0, 2.0]), 7).images) == 2
    assert len({id(one) for one in choose(every, 3).images}) == 4


@pytest.mark.parametrize("kind", ["normal", "hole"])
def test_one_side_alone_will_do(kind):
    found = choose(images(**{kind: [1.0, 2.0, 3.0]}), 1)
    assert names(found) == [f"{kind} 2.0"]
    assert ("normal" in found.rule) == (kind == "normal")
    assert ("defect" in found.rule) == (kind == "hole")
