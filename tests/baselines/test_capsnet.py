from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.baselines import easy
from utad.baselines.capsnet import CapsNet, CapsuleNetwork, clusters, margin_loss, relative_error, route, squash
from utad.errors import ConfigError


def two_kinds(count: int, *, seed: int = 0) -> torch.Tensor:
    """Grey waves that run across in even images and down in odd ones, `(count, 1, 32, 32)`."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(32) / 4 + rng.uniform(-0.3, 0.3, (count, 1)))
    images = np.repeat(0.5 + 0.3 * wave[:, None], 32, axis=1)  # (count, 32, 32)
    images[1::2] = images[1::2].transpose(0, 2, 1)
    return torch.from_numpy(images + 0.01 * rng.standard_normal(images.shape)).float()[:, None]


def with_square(images: torch.Tensor) -> torch.Tensor:
    """The same with light and dark exchanged in a square, which an even grey restores as well as before."""
    changed = images.clone()
    changed[:, :, 10:24, 10:24] = 1 - changed[:, :, 10:24, 10:24]
    return changed


def auroc(normal: torch.Tensor, anomalous: torch.Tensor) -> float:
    """The share of pairs in which the anomalous one has the higher score."""
    return (anomalous[:, None] > normal[None]).float().mean().item()


def fitted(*, steps: int, **settings) -> CapsNet:
    torch.manual_seed(0)
    method = CapsNet(size=32, side=20, width=32, pseudo_classes=2, steps=steps, batch_size=8, **settings)
    method.learn(two_kinds(24))
    return method


def scores(method: CapsNet, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return method.score(images).image


@pytest.mark.parametrize("scored_by", ["re", "pp"])
def test_it_learns_and_scores_a_square_higher(scored_by):
    images = two_kinds(12, seed=1)
    found = []
    for steps in (0, 60):
        method = fitted(steps=steps, scored_by=scored_by)
        found.append(auroc(scores(method, images), scores(method, with_square(images))))
    untrained, trained = found
    assert untrained < 0.5
    assert trained > 0.9
    assert easy.falls(method.losses_, to=0.1)


def test_behind_fit_and_predict():
    method = CapsNet(size=32, side=20, width=16, pseudo_classes=3, steps=100, batch_size=8)
    assert easy.image_auroc(method) > 0.9


def test_the_same_seed_twice():
    images = two_kinds(6, seed=1)
    first, second = (scores(fitted(steps=3), images) for _ in range(2))
    assert torch.equal(first, second)


def test_squash_by_hand():
    # |s| = 5: the length becomes 25 / 26, the direction stays.
    torch.testing.assert_close(squash(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]) * 25 / 26)
    nothing = torch.zeros(2, requires_grad=True)
    torch.autograd.backward(squash(nothing).sum())
    assert nothing.grad.tolist() == [0.0, 0.0]


def agreeing_votes() -> torch.Tensor:
    """Two votes for each of two capsules, `(1, 2, 2, 2)`: those for the first agree, those for the second cancel."""
    return torch.tensor([[[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]]])


def test_two_rounds_of_routing_by_hand():
    once = route(agreeing_votes(), 1)
    # Couplings of one half: the first sum is (1, 0), squashed to one half; the second is nothing.
    torch.testing.assert_close(once.couplings, torch.full((1, 2, 2), 0.5))
    torch.testing.assert_close(once.capsules, torch.tensor([[[0.5, 0.0], [0.0, 0.0]]]))
    twice = route(agreeing_votes(), 2)
    # Votes agree with the first capsule by 0.5 and with the second by 0: its share is 1 / (1 + exp(-0.5)).
    share = 1 / (1 + np.exp(-0.5))
    torch.testing.assert_close(twice.couplings[0, :, 0], torch.full((2,), share, dtype=torch.float32))
    total = 2 * share
    assert twice.capsules[0, 0].tolist() == pytest.approx([total**2 / (1 + total**2), 0.0])
    assert twice.capsules[0, 1].tolist() == [0.0, 0.0]


def test_a_capsule_whose_votes_agree_grows_with_every_round():
    votes = agreeing_votes() + 0.1 * torch.randn(4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    lengths = [route(votes, rounds).capsules.norm(dim=2) for rounds in (1, 2, 3)]
    for before, after in pairwise(lengths):
        assert (after[:, 0] > before[:, 0]).all()
    assert (lengths[-1][:, 0] > 2 * lengths[-1][:, 1]).all()
    couplings = route(votes, 3).couplings
    torch.testing.assert_close(couplings.sum(dim=2), torch.ones(4, 2))
    assert (couplings[:, :, 0] > 0.6).all()


def test_the_gradient_takes_couplings_as_constants():
    votes = agreeing_votes().requires_grad_()
    routed = route(votes, 3)
    assert not routed.couplings.requires_grad
    (found,) = torch.autograd.grad(routed.capsules[0, 0, 0], votes)
    total = 2 * routed.couplings[0, 0, 0]
    # d(s^2 / (1 + s^2)) / ds times the coupling of each vote.
    slope = 2 * total / (1 + total.square()).square()
    torch.testing.assert_close(found[0, :, 0, 0], routed.couplings[0, :, 0] * slope)
    assert not found[0, :, 1].any()


def test_the_margin_loss_by_hand():
    lengths = torch.tensor([[0.5, 0.3, 0.05], [0.95, 0.1, 0.6]])
    # (0.9 - 0.5)^2 + 0.5 (0.3 - 0.1)^2; the second is long enough, and 0.5 (0.6 - 0.1)^2 remains.
    torch.testing.assert_close(margin_loss(lengths, torch.tensor([0, 0])), torch.tensor([0.18, 0.125]))


def test_the_relative_error_by_hand_and_of_a_black_image():
    images, restored = torch.tensor([[[[1.0, 2.0]], [[2.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0]], [[0.0, 1.0]]]])
    # |x|^2 = 9; squared differences 0 + 4 and 1 + 1.
    torch.testing.assert_close(relative_error(images, restored), torch.tensor([[[4 / 9, 2 / 9]]]))
    assert relative_error(torch.zeros(1, 1, 2, 2), torch.rand(1, 1, 2, 2)).isfinite().all()


def test_the_decoder_sees_the_chosen_capsule_alone():
    network = CapsuleNetwork(1, 17, 3, width=8, iterations=3)
    capsules, chosen = torch.rand(2, 3, 16, requires_grad=True), torch.tensor([2, 0])
    (seen,) = torch.autograd.grad(network.restore(capsules, chosen).sum(), capsules)
    for image, one in enumerate(chosen.tolist()):
        assert seen[image, one].all()
        assert not seen[image, [other for other in range(3) if other != one]].any()


def test_the_primary_capsules_of_the_source():
    network = CapsuleNetwork(1, 28, 10, width=256, iterations=3)
    assert network.transform.shape == (1152, 8, 160)
    with torch.no_grad():
        capsules = network(torch.rand(2, 1, 28, 28))
    assert capsules.shape == (2, 10, 16)
    assert (capsules.norm(dim=2) < 1).all()


def test_a_primary_capsule_is_eight_channels_of_one_position():
    network = CapsuleNetwork(1, 17, 2, width=16, iterations=1)
    images = torch.rand(1, 1, 17, 17)
    with torch.no_grad():
        # A grid of one position: the channels in order are the two capsules.
        primary = squash(network.primary(torch.relu(network.convolution(images))).reshape(1, 2, 8))
        votes = torch.einsum("npd,pdo->npo", primary, network.transform)
        torch.testing.assert_close(network(images)[0].flatten(), squash((votes.sum(1) / 2).reshape(2, 16)).flatten())


def test_the_loss_and_both_scores_are_what_they_are_named_for():
    method = fitted(steps=2)
    images, labels = two_kinds(4, seed=3), torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        small = method._resized(images)
        capsules = method.network_(small)
        lengths = capsules.norm(dim=2)
        restored = method.network_.restore(capsules, labels)
        expected = margin_loss(lengths, labels).mean() + 0.0005 * (small - restored).square().sum() / 4
        torch.testing.assert_close(method._loss(small, labels), expected)
        restored = method.network_.restore(capsules, lengths.argmax(dim=1))
        expected = (small - restored).square().sum(dim=(1, 2, 3)) / small.square().sum(dim=(1, 2, 3))
        torch.testing.assert_close(method.score(images).image, expected)
        maps = method.score(images).maps
        method.scored_by = "pp"
        found = method.score(images)
    torch.testing.assert_close(found.image, -lengths.max(dim=1).values)
    assert torch.equal(found.maps, maps)
    assert maps.shape == (4, 32, 32)


def test_clusters_are_the_kinds_of_images():
    found = clusters(two_kinds(20), 2, seed=0)
    assert len({*found[::2].tolist()}) == len({*found[1::2].tolist()}) == 1
    assert found[0] != found[1]
    # Equal images make one cluster, however many are asked for.
    assert clusters(torch.full((5, 1, 4, 4), 0.5), 3, seed=0).tolist() == [0] * 5


def test_one_capsule_takes_all_by_its_name():
    method = CapsNet(size=32, side=17, width=8, pseudo_classes=1, steps=1, batch_size=4)
    method.learn(torch.rand(4, 1, 32, 32))
    assert method.network_.classes == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scored_by": "length"}, "scored_by 'length', expected one of re, pp"),
        ({"scored_by": "pp", "pseudo_classes": 1}, "pseudo_classes 1, expected 2 or more for pp"),
        ({"pseudo_classes": 0}, "pseudo_classes 0, expected 1 or more for re"),
        ({"side": 16}, "side 16, expected 17 or more"),
        ({"iterations": 0}, "iterations 0"),
        ({"width": 12}, "width 12, expected a multiple of 8"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        CapsNet(**settings)
