from __future__ import annotations

import copy
import math
from itertools import pairwise

import pytest
import torch

from tests.baselines import easy, stripes
from utad.baselines.fitting import Turn
from utad.baselines.ocgan import (
    OCGAN,
    LatentDiscriminator,
    discriminator_loss,
    layers_for,
    mine,
    narrowing,
    side_after,
    widening,
)
from utad.errors import ConfigError

NETWORKS = ("encoder_", "decoder_", "latent_discriminator_", "visual_discriminator_", "classifier_")


def small(*, steps: int = 0, channels: int = 1) -> tuple[OCGAN, torch.Tensor]:
    """A method whose networks can be trained on, and the eight images that it learnt from."""
    method = OCGAN(size=32, width=4, discriminator_width=4, latent_dim=6, steps=steps, batch_size=8)
    images = torch.rand(8, channels, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    method.learn(images)
    for name in NETWORKS:
        getattr(method, name).requires_grad_()
    return method, images


def weights(method: OCGAN) -> dict[str, dict[str, torch.Tensor]]:
    return {name: copy.deepcopy(getattr(method, name).state_dict()) for name in NETWORKS}


def changed(before: dict[str, dict[str, torch.Tensor]], after: dict[str, dict[str, torch.Tensor]]) -> set[str]:
    return {
        name for name in NETWORKS if any(not torch.equal(before[name][key], after[name][key]) for key in before[name])
    }


def test_the_sides_and_widths_of_the_source():
    assert [side_after(layers) for layers in range(1, 5)] == [5, 13, 29, 61]
    encoder = narrowing(3, 4, 64, 16)
    sides = []
    values = torch.rand(2, 3, 61, 61)
    with torch.no_grad():
        for layer in encoder:
            values = layer(values)
            if isinstance(layer, torch.nn.Conv2d):
                sides.append((values.shape[1], values.shape[-1]))
    assert sides == [(64, 29), (128, 13), (256, 5), (16, 1)]
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in encoder) == 2
    decoder = widening(16, 4, 64, 3)
    convolutions = [layer for layer in decoder if isinstance(layer, torch.nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in convolutions] == [256, 128, 64, 3]
    judged = [layer.out_features for layer in LatentDiscriminator(16) if isinstance(layer, torch.nn.Linear)]
    assert judged == [128, 64, 32, 16, 1]


@pytest.mark.parametrize(
    ("size", "layers", "side"), [(29, 3, 29), (32, 3, 29), (64, 4, 61), (96, 4, 61), (128, 5, 125), (256, 6, 253)]
)
def test_larger_images_have_more_layers_and_lose_few_pixels(size, layers, side):
    assert layers_for(size) == layers
    assert side_after(layers) == side
    with torch.no_grad():
        codes = narrowing(1, layers, 2, 6)(torch.rand(2, 1, side, side))
        assert codes.shape == (2, 6)
        assert widening(6, layers, 2, 1)(codes).shape == (2, 1, side, side)


def test_all_codes_lie_in_the_cube():
    method, images = small()
    with torch.no_grad():
        method.encoder_[0][-2].weight.mul_(1e3)
        encoded = method.encoder_(2 * images[:, :, 1:30, 1:30] - 1)
    drawn = method._codes(2000)
    assert encoded.abs().max() <= 1
    assert drawn.abs().max() <= 1
    # Even in (-1, 1): mean 0 and standard deviation 1 / sqrt(3).
    assert drawn.mean().item() == pytest.approx(0, abs=0.02)
    assert drawn.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.02)


def test_mining_moves_codes_to_what_the_classifier_calls_out_of_class_and_stays_in_the_cube():
    method, _ = small()
    for layer in (*method.decoder_, *method.classifier_):
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(layer.weight, std=0.2)
    before = weights(method)
    start = method._codes(64)
    mined = mine(start, method.decoder_, method.classifier_)
    assert mined.abs().max() <= 1
    assert not mined.requires_grad
    with torch.no_grad():
        logits = [method.classifier_(method.decoder_(codes)) for codes in (start.tanh(), mined)]
    # The lower the logit, the less the classifier takes the image for one of the class.
    assert (logits[1] < logits[0]).float().mean() > 0.9
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    assert loss(logits[1], torch.ones(64, 1)) > loss(logits[0], torch.ones(64, 1)) + 0.05
    assert not changed(before, weights(method))
    assert all(parameter.grad is None for name in NETWORKS for parameter in getattr(method, name).parameters())


def test_mining_by_hand():
    """With images that are their codes and logits that are their sums, d BCE / d mu is sigmoid(sum) (1 - tanh^2)."""
    start = torch.tensor([[0.0, 0.5], [-0.2, 3.0]])
    mu = start
    for _ in range(5):
        inside = torch.tanh(mu)
        mu = mu - 2.0 * torch.sigmoid(inside.sum(dim=1, keepdim=True)) * (1 - inside.square())
    found = mine(start, torch.nn.Identity(), Sum())
    torch.testing.assert_close(found, torch.tanh(mu))
    # Each code goes its own way, whatever else is in the batch.
    torch.testing.assert_close(mine(start[:1], torch.nn.Identity(), Sum()), found[:1])


class Sum(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.sum(dim=1, keepdim=True)


def test_the_loss_of_both_discriminators_by_hand():
    real, fake = torch.tensor([[0.0], [math.log(3)]]), torch.tensor([[0.0], [-math.log(3)]])
    # -log of 1/2 and 3/4 each, halved.
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert discriminator_loss(real, fake).item() == pytest.approx(expected, rel=1e-5)


def test_the_classifier_learns_restored_images_as_1_and_those_of_random_codes_as_0(monkeypatch):
    method, images = small()
    encoded, drawn = torch.full((8, 6), -0.3), torch.full((8, 6), 0.7)
    monkeypatch.setattr(method, "_codes", lambda count: drawn)
    monkeypatch.setattr(method.encoder_, "forward", lambda shown: encoded)
    monkeypatch.setattr(method.decoder_, "forward", lambda codes: codes)
    monkeypatch.setattr(method.classifier_, "forward", lambda judged: judged[:, :1])
    # The logits are the codes: softplus(0.3) for the restored ones, softplus(0.7) for the others, halved.
    expected = (math.log1p(math.exp(0.3)) + math.log1p(math.exp(0.7))) / 2
    assert method._classifier_loss(images).item() == pytest.approx(expected, rel=1e-5)


def test_the_discriminators_learn_images_and_even_codes_as_1(monkeypatch):
    method, images = small()
    encoded, drawn = torch.full((8, 6), -0.3), torch.full((8, 6), 0.7)
    monkeypatch.setattr(method, "_codes", lambda count: drawn)
    monkeypatch.setattr(method.encoder_, "forward", lambda shown: encoded)
    monkeypatch.setattr(method.decoder_, "forward", lambda codes: torch.full_like(method._shown(images), 0.2))
    monkeypatch.setattr(method.visual_discriminator_, "forward", lambda judged: judged.mean(dim=(1, 2, 3)))
    monkeypatch.setattr(method.latent_discriminator_, "forward", lambda codes: codes[:, :1])
    softplus = torch.nn.functional.softplus
    visual = softplus(-method._shown(images).mean(dim=(1, 2, 3))).mean().item() + math.log1p(math.exp(0.2))
    latent = math.log1p(math.exp(-0.7)) + math.log1p(math.exp(-0.3))
    assert method._discriminators_loss(images).item() == pytest.approx((visual + latent) / 2, rel=1e-5)


def test_the_auto_encoder_restores_and_is_taken_for_real_where_the_classifier_finds_it_is_not(monkeypatch):
    method, images = small()
    encoded, drawn = torch.full((8, 6), -0.3), torch.full((8, 6), 0.7)
    monkeypatch.setattr(method, "_codes", lambda count: drawn)
    monkeypatch.setattr(method.encoder_, "forward", lambda shown: encoded)
    monkeypatch.setattr(method.decoder_, "forward", lambda codes: codes[:, :1, None, None].expand(-1, 1, 29, 29))
    monkeypatch.setattr(method.classifier_, "forward", lambda judged: judged.mean(dim=(1, 2, 3))[:, None])
    monkeypatch.setattr(method.visual_discriminator_, "forward", lambda judged: judged.mean(dim=(1, 2, 3)))
    monkeypatch.setattr(method.latent_discriminator_, "forward", lambda codes: codes[:, :1])
    mu = 0.7
    for _ in range(5):
        inside = math.tanh(mu)
        mu -= 2.0 / (1 + math.exp(-inside)) * (1 - inside**2)
    squared = (method._shown(images) + 0.3).square().mean().item()
    expected = 10 * squared + math.log1p(math.exp(-math.tanh(mu))) + math.log1p(math.exp(0.3))
    assert method._auto_encoder_loss(images).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "trained"),
    [
        ("_classifier_loss", {"classifier_"}),
        ("_discriminators_loss", {"visual_discriminator_", "latent_discriminator_"}),
        ("_auto_encoder_loss", {"encoder_", "decoder_"}),
    ],
)
def test_every_step_changes_its_own_networks_alone(loss, trained, monkeypatch):
    """Weights, and what batch norm has counted."""
    method, images = small()
    before = weights(method)
    for other in {"_classifier_loss", "_discriminators_loss", "_auto_encoder_loss"} - {loss}:
        monkeypatch.setattr(method, other, lambda batch: torch.zeros((), requires_grad=True))
    networks = [torch.nn.ModuleList([getattr(method, name) for name in NETWORKS if name in trained])]
    method.steps = 2
    method.train_in_turn([Turn(networks[0], getattr(method, loss))], images)
    assert changed(before, weights(method)) == trained


def test_a_step_trains_the_classifier_then_the_discriminators_then_the_auto_encoder(monkeypatch):
    order = []
    for name in ("_classifier_loss", "_discriminators_loss", "_auto_encoder_loss"):
        loss = getattr(OCGAN, name)
        monkeypatch.setattr(
            OCGAN,
            name,
            lambda self, batch, loss=loss, name=name: order.append((name, weights(self))) or loss(self, batch),
        )
    method, _ = small(steps=2)
    assert [name for name, _ in order] == ["_classifier_loss", "_discriminators_loss", "_auto_encoder_loss"] * 2
    states = [state for _, state in order] + [weights(method)]
    assert [changed(first, second) for first, second in pairwise(states)] == [
        {"classifier_"},
        {"visual_discriminator_", "latent_discriminator_"},
        {"encoder_", "decoder_"},
    ] * 2
    assert len(method.adversarial_losses_) == 2


def test_it_learns_and_finds_the_square():
    method, untrained = (
        OCGAN(size=stripes.SIZE, width=8, latent_dim=8, steps=steps, batch_size=8) for steps in (100, 0)
    )
    for one in (method, untrained):
        torch.manual_seed(0)
        one.learn(stripes.normal(64, seed=0))
    with torch.no_grad():
        images = torch.cat([stripes.normal(24, seed=1), stripes.anomalous(24, seed=2)])
        assert stripes.auroc(untrained.score(images).image) < 0.1
        assert stripes.auroc(method.score(images).image) > 0.8
    assert easy.falls(method.losses_)


def test_the_same_seed_gives_the_same_scores_and_another_others():
    stripes.check_seeds(lambda: OCGAN(size=stripes.SIZE, width=4, steps=2, batch_size=4))


def test_the_score_is_the_squared_error_of_clean_images():
    method, images = small(steps=1, channels=3)
    with torch.no_grad():
        scores = method.score(images)
        shown = method._shown(images)
        squared = (shown - method.decoder_(method.encoder_(shown))).square()
    assert shown.shape == (8, 3, 29, 29)
    assert -1 <= float(shown.min()) <= float(shown.max()) <= 1
    torch.testing.assert_close(scores.image, squared.mean(dim=(1, 2, 3)))
    assert scores.maps.shape == (8, 32, 32)
    torch.testing.assert_close(scores.maps[:, 0, 0], squared.sum(dim=1)[:, 0, 0])


def test_images_too_small_are_refused():
    with pytest.raises(ConfigError, match=r"^ocgan: got images of 16 pixels, expected 29 at least"):
        OCGAN(size=16)
