from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.models.critics import GlobalCritic, LocalCritic


@pytest.fixture
def twins() -> tuple[GlobalCritic, LocalCritic]:
    """Both critics with the same weights."""
    torch.manual_seed(0)
    of_pooled, of_positions = GlobalCritic(4, 6, 8), LocalCritic(4, 6, 8)
    weights = {name: value for name, value in of_pooled.state_dict().items()}
    shapes = of_positions.state_dict()
    of_positions.load_state_dict({name: value.reshape(shapes[name].shape) for name, value in weights.items()})
    return of_pooled, of_positions


def test_shapes_of_the_logits():
    latent, features = torch.rand(3, 4), torch.rand(3, 6, 5, 7)
    assert GlobalCritic(4, 6, 8)(latent, features).shape == (3, 1)
    assert LocalCritic(4, 6, 8)(latent, features).shape == (3, 1, 5, 7)


def test_the_local_critic_is_the_global_one_at_every_position(twins):
    of_pooled, of_positions = twins
    latent, features = torch.randn(3, 4), torch.randn(3, 6, 2, 3)
    logits = of_positions(latent, features)
    for row in range(2):
        for column in range(3):
            position = features[:, :, row : row + 1, column : column + 1]
            assert torch.allclose(logits[:, :, row, column], of_pooled(latent, position), atol=1e-6)


def test_the_global_critic_sees_the_mean_of_the_map(twins):
    latent, features = torch.randn(3, 4), torch.randn(3, 6, 4, 4)
    mean = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
    assert torch.allclose(twins[0](latent, features), twins[0](latent, mean), atol=1e-6)


def test_both_look_at_the_latent_and_at_the_map(twins):
    latent, features = torch.randn(2, 4), torch.randn(2, 6, 3, 3)
    for critic in twins:
        logits = critic(latent, features)
        assert not torch.allclose(logits, critic(latent + 1, features))
        assert not torch.allclose(logits, critic(latent, features + 1))


@pytest.mark.parametrize("critic", [GlobalCritic, LocalCritic])
def test_the_multilayer_perceptron_has_four_layers(critic):
    layers = [module for module in critic(4, 6, 8).modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert len(layers) == 4
    assert sum(parameter.numel() for parameter in critic(4, 6, 8).parameters()) == (
        (10 * 8 + 8) + 2 * (8 * 8 + 8) + (8 + 1)
    )
