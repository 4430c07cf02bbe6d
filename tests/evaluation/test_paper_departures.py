from __future__ import annotations

import pytest

from utad.config import load_config
from utad.evaluation.methods import build_method, departures_of
from utad.evaluation.paper_departures import paper_departures

VGG16 = "backbone.name=vgg16"


def test_another_network_than_the_papers_is_named_in_tables():
    overrides = (VGG16, "ie_training.epochs=null", "ie_training.steps=500", "ie_training.batch_size=8")
    found = departures_of(build_method("utad", seed=0, size=None, preset="paper-small", overrides=overrides))
    assert found.marked("full") == "full (vgg16, other schedule)"
    assert found.sentence() == (
        "Liu, Zhuang and Lu, arXiv:2103.11671, 2021; here Eq. 8 compares features of vgg16, stages 0, 1, 2, instead of "
        "VGG-19's; IE-Net trained for another time than the paper's 200 epochs. Steps here: 500 steps of 8 images for "
        "IE-Net and 200 epochs of 4 images for Expert-Net. Steps of "
        "the source: 200 epochs of 4 images for IE-Net, not stated for Expert-Net."
    )


def test_another_schedule_is_named_without_another_network():
    found = paper_departures(load_config("paper", overrides=("expert_training.epochs=20",)))
    assert found.changes == ("Expert-Net trained for another time than the paper's 200 epochs",)
    assert found.marked("utad") == "utad (other schedule)"
    assert "Steps here: 200 epochs of 4 images for IE-Net and 20 epochs of 4 images" in found.sentence()


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("paper", ()),
        ("paper-small", ()),
        ("fast", ("scoring.method=paper",)),
        ("paper", (VGG16, "scoring.space=pixels")),
        ("paper", (VGG16, "scoring.method=calibrated")),
    ],
)
def test_there_is_nothing_to_name_otherwise(preset, overrides):
    assert paper_departures(load_config(preset, overrides=overrides)) is None
