from __future__ import annotations

import pytest
import torch

from utad.config import FeatureNetConfig
from utad.models.build import build_feature_impression
from utad.models.feature_impression import FeatureImpression


def features(count: int, *, seed: int = 0, channels: int = 6, side: int = 8) -> torch.Tensor:
    """Three patterns of a code, mixed: what a bottleneck of three channels can hold."""
    fixed, drawn = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed + 1)
    patterns = torch.randn(3, channels, side, side, generator=fixed)
    return 5 + 3 * torch.einsum("nk,kchw->nchw", torch.randn(count, 3, generator=drawn), patterns)


@pytest.mark.parametrize("side", [1, 2, 5, 8, 15])
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_any_side_comes_back_as_it_was(side, halvings):
    network = FeatureImpression(6, 8, 3, halvings).eval()
    assert network(torch.randn(2, 6, side, side)).shape == (2, 6, side, side)
    with torch.no_grad():
        code = network.head(torch.randn(1, 6, side, side))
        for block in network.down:
            code = block(code)
    assert code.shape[-1] == max(1, -(-side // 2**halvings))


def test_the_scale_is_that_of_normal_features_and_a_constant_channel_is_restored_as_it_is():
    network = FeatureImpression(6, 8, 3, 2).eval()
    normal = features(20)
    normal[:, 2] = 7.0
    network.fit_scale(normal)
    standardised = network.standardise(normal)
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(standardised[:, others].mean(dim=(0, 2, 3)), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(standardised[:, others].var(dim=(0, 2, 3), correction=0), torch.ones(5))
    assert float(standardised[:, 2].abs().max()) == 0
    torch.testing.assert_close(network(normal), network.restore(standardised) * network.deviation + network.mean)


def test_what_normal_features_have_in_common_is_restored_and_what_they_lack_is_lost():
    torch.manual_seed(0)
    network = FeatureImpression(6, 32, 3, 2)
    normal = features(64)
    network.fit_scale(normal)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(250):
        optimizer.zero_grad()
        standardised = network.standardise(normal)
        (network.restore(standardised) - standardised).square().mean().backward()
        optimizer.step()
    network.eval()
    unseen = features(16, seed=5)
    changed = unseen.clone()
    changed[:, :, 2:4, 2:4] += 15
    with torch.no_grad():
        left = (unseen - network(unseen)).square().mean()
        found = (changed - network(changed))[:, :, 2:4, 2:4].mean()
    assert float(left) < 0.35 * float((unseen - normal.mean(dim=0)).square().mean())
    assert float(found) > 0.5 * 15


def test_the_config_names_its_sizes():
    network = build_feature_impression(FeatureNetConfig(width=5, code_channels=2, halvings=3), 7)
    assert network.to_code.weight.shape == (2, 5, 1, 1)
    assert network.tail.weight.shape == (7, 5, 1, 1)
    assert len(network.down) == len(network.up) == 3
