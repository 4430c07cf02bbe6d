from __future__ import annotations

import pytest
import torch

from tests.baselines import easy
from utad.baselines.efficient_ad import (
    Autoencoder,
    EfficientADS,
    by_quantiles,
    fit_quantiles,
    hard_feature_loss,
    jittered,
)


def test_it_learns_and_finds_the_square():
    method = EfficientADS(size=easy.SIZE, width=8, teacher_steps=60, steps=100)
    assert easy.image_auroc(method) > 0.9
    assert easy.falls(method.teacher_losses_, to=0.95)
    assert easy.falls(method.losses_, to=0.95)


def test_the_hard_loss_is_the_mean_of_the_highest_values():
    distances = torch.arange(1000.0)[torch.randperm(1000)].reshape(10, 100)
    # The 0.99 quantile of 0 ... 999 is 989.01: ten values are not below it.
    assert hard_feature_loss(distances, 0.99).item() == pytest.approx(994.5)
    assert hard_feature_loss(distances, 0.0).item() == pytest.approx(499.5)


def test_the_hard_loss_agrees_with_the_quantile():
    distances = torch.rand(997)
    threshold = torch.quantile(distances, 0.9)
    torch.testing.assert_close(hard_feature_loss(distances, 0.9), distances[distances >= threshold].mean())


def test_quantiles_become_nought_and_a_tenth():
    maps = torch.rand(4, 20, 20)
    low, high = fit_quantiles(maps)
    scaled = by_quantiles(maps, low, high)
    assert torch.quantile(scaled, 0.9).item() == pytest.approx(0, abs=1e-6)
    assert torch.quantile(scaled, 0.995).item() == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_autoencoder_answers_on_the_grid_of_the_student(size):
    assert Autoencoder(1, 7, size)(torch.rand(2, 1, size, size)).shape == (2, 7, size // 4, size // 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_stays_in_range_and_changes_by_at_most_a_fifth(channels):
    images = torch.full((8, channels, 16, 16), 0.5)
    changed = jittered(images)
    assert changed.shape == images.shape
    assert float(changed.min()) >= 0.4 - 1e-6
    assert float(changed.max()) <= 0.6 + 1e-6
