from __future__ import annotations

import pytest
import torch

from tests.conftest import TINY
from tests.scoring.calibrated import images
from utad.config import Config, load_config
from utad.scoring.feature_examples import feature_examples
from utad.scoring.network import DetectorNetwork, build_network


def restoring(*overrides: str) -> tuple[DetectorNetwork, Config]:
    config = load_config(overrides=[*TINY, "scoring.components=[restored]", *overrides])
    return build_network(config, 1), config


@torch.no_grad()
def features_of(network: DetectorNetwork, pictures: torch.Tensor) -> torch.Tensor:
    return network.joined_features(network.features({"image": pictures}))


@pytest.mark.parametrize(("count", "examples"), [(6, 20), (6, 6), (30, 12), (6, 17)])
def test_each_image_is_there_as_it_is_before_any_is_there_again_augmented(count, examples):
    network, config = restoring(f"feature_training.examples={examples}")
    pictures = images(count)
    normal, anomalous = feature_examples(network, pictures, config)
    assert normal.shape == anomalous.shape == (examples, 16 + 24 + 40 + 112, 8, 8)
    assert normal.dtype == anomalous.dtype == torch.float16
    first = min(count, examples)
    chosen = torch.arange(first) * count // first
    torch.testing.assert_close(normal[:first].float(), features_of(network, pictures[chosen]), atol=2e-2, rtol=2e-2)
    again = (normal[first:] - normal[: examples - first]).float().abs()
    assert len(again) == examples - first
    assert all(float(change.max()) > 0.1 for change in again)


def test_anomalies_change_a_part_of_the_image_that_they_stand_beside():
    network, config = restoring("feature_training.examples=24")
    normal, anomalous = feature_examples(network, images(24), config)
    change = (anomalous - normal).float().abs().mean(dim=1)  # (K, g, g)
    assert all(float(one.max()) > 0 for one in change)
    share = (change > 0.1 * change.flatten(1).amax(dim=1)[:, None, None]).float().mean()
    assert 0.01 < float(share) < 0.7


def test_the_same_seed_gives_the_same_examples_and_another_gives_others():
    (network, config), (_, other) = restoring("feature_training.examples=20"), restoring("feature_training.examples=20")
    other = other.model_copy(update={"seed": 1})
    one, same = (feature_examples(network, images(6), config) for _ in range(2))
    another = feature_examples(network, images(6), other)
    assert torch.equal(one.normal, same.normal)
    assert torch.equal(one.anomalous, same.anomalous)
    assert torch.equal(one.normal[:6], another.normal[:6])
    assert not torch.equal(one.normal[6:], another.normal[6:])
    assert not torch.equal(one.anomalous, another.anomalous)
