"""What README promises of other light, from the pixels of a camera to the label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.conftest import SHORTEST
from utad import UTAD
from utad.data.textures import open_texture
from utad.types import Image

RATE, N_UNSEEN = 0.05, 40
RAMP = np.linspace(-1, 1, 64)[:, None, None]
LIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda pixels: pixels,
    "gain 0.8": lambda pixels: 0.8 * pixels,
    "gain 1.2": lambda pixels: 1.2 * pixels,
    "offset -20": lambda pixels: pixels - 20,
    "offset 20": lambda pixels: pixels + 20,
    "gamma 0.8": lambda pixels: 255 * (pixels / 255) ** 0.8,
    "gamma 1.25": lambda pixels: 255 * (pixels / 255) ** 1.25,
    "gradient 0.2": lambda pixels: pixels * (1 + 0.2 * RAMP),
    "gradient -0.2": lambda pixels: pixels * (1 - 0.2 * RAMP.swapaxes(0, 1)),
}


def flagged(detector: UTAD, images: list[Image], *lights: str) -> dict[str, int]:
    """How many images are called anomalous under each light, in 8 bits as a camera gives them."""
    found = {}
    for name in lights:
        lit = [LIGHT[name](image).clip(0, 255).round().astype(np.uint8) for image in images]
        found[name] = sum(prediction.pred_label for prediction in detector.predict(lit))
    return found


@pytest.fixture(scope="module")
def bricks() -> tuple[list[Image], list[Image]]:
    """Crops to train on, and normal ones of another part of the photograph."""
    brick = open_texture("brick", seed=0, size=64, n_train=60, n_normal=N_UNSEEN, n_anomalous=0)
    train, unseen = ([np.asarray(sample.image) for sample in part] for part in (brick.train, brick.test))
    return train, unseen


def fitted(train: list[Image], *settings: str) -> UTAD:
    # Few synthetic anomalies would leave most directions of the deepest features without a weight.
    short = (*SHORTEST, "image.size=64", "feature_training.steps=20", "calibration.synthetic_anomalies=120")
    detector = UTAD(overrides=[*short, *settings]).fit(train)
    detector.set_rates(fpr=RATE)
    return detector


def test_other_light_leaves_the_false_alarms_within_twice_their_rate(bricks):
    train, unseen = bricks
    found = flagged(fitted(train), unseen, *LIGHT)
    assert max(found.values()) <= 2 * RATE * N_UNSEEN, found


def test_light_that_is_not_normalised_is_a_defect(bricks):
    train, unseen = bricks
    detector = fitted(train, "scoring.normalise_illumination=false", "scoring.components=[input-near,restored]")
    found = flagged(detector, unseen, "gain 1.2", "gradient 0.2")
    assert min(found.values()) > N_UNSEEN / 2, found
