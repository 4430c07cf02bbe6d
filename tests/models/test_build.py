from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.config import PRESETS, load_config
from utad.models.build import build_critics, build_expert_net, build_ie_net, build_two_stage, count_parameters


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper_parts() -> dict[str, int]:
    return count_parameters(load_config("paper"))


def test_the_paper_preset_has_the_parameters_of_table_4(paper_parts):
    total = sum(paper_parts.values())
    assert 16.7e6 < total < 16.9e6
    assert total == pytest.approx(16.77e6, rel=0.002)


def test_the_parts_of_the_paper_preset_have_the_sizes_worked_out(paper_parts):
    by_part = list(paper_parts.items())
    millions = [round(number / 1e6, 2) for _, number in by_part]
    assert [name.split(",")[0] for name, _ in by_part] == [
        "IE-Net encoder E_M",
        "IE-Net decoder D_M",
        "IE-Net MLP (mu",
        "critics T",
        "Expert-Net content encoders E_X^A",
        "Expert-Net detail extractor E_S",
        "Expert-Net decoder D",
    ]
    assert round((by_part[0][1] + by_part[1][1]) / 1e6, 2) == 6.05
    assert millions[2:6] == [0.26, 0.23, pytest.approx(2 * 3.03, abs=0.011), 0.67]


def blocks_of_ie_net(*, reduced: bool) -> int:
    """Parameters of the inception blocks of `paper`, as they are or with GoogLeNet's 1x1 reductions to `filters`."""
    config = load_config("paper").ie_net
    total, channels = 0, 3
    for filters in (*config.filters, *config.decoder_filters):
        of_windows = 2 * channels * filters + (9 + 25) * filters**2 if reduced else channels * filters * (9 + 25)
        total += 2 * channels * filters + of_windows + 8 * filters
        channels = 4 * filters
    return total


def test_other_readings_of_the_text_miss_table_4(paper_parts):
    total, ie_net = sum(paper_parts.values()), list(paper_parts.values())[:2]
    blocks = blocks_of_ie_net(reduced=False)
    assert blocks == sum(ie_net) - (4 * 32 * 3 + 3)  # all but the last 1x1 convolution
    whole = count_parameters(load_config("paper", overrides=["expert_net.shared=false"]))
    readings = (
        total - blocks + blocks_of_ie_net(reduced=True),
        # A fourth convolutional block at its mildest: 3x3 at the width that both encoders have, 5x5 in the decoder.
        total + 2 * (9 * 256 * 256 + 256) + 25 * 64 * 64 + 64,
        # The decoder reads z: one layer from it to the smallest map there could be.
        total + (128 + 1) * 512 * 8 * 8,
        sum(whole.values()),
    )
    assert [round(number / 1e6, 1) for number in readings] == [13.1, 18.1, 21.0, 21.0]
    assert all(abs(number - 16.77e6) > 0.07 * 16.77e6 for number in readings)


def test_the_decoder_of_the_paper_divides_into_blocks_mlp_and_upsampling():
    decoder = build_expert_net(load_config("paper").expert_net, 3).decoders[0]
    parts = (decoder.trunk.blocks, decoder.trunk.mlp, decoder.upsampling)
    assert [round(count(part) / 1e6, 2) for part in parts] == [2.36, 0.14, 1.03]


def test_the_detail_extractor_of_the_paper_counted_by_hand(paper_parts):
    convolutions = (3 * 64 * 7 * 7 + 64) + (64 * 128 * 4 * 4 + 128) + (128 * 256 * 4 * 4 + 256)
    code = 256 * 8 + 8
    assert paper_parts["Expert-Net detail extractor E_S"] == convolutions + code


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_parts_add_up_to_the_modules_that_are_trained(preset, channels):
    config = load_config(preset)
    whole = count(build_two_stage(config, channels), *build_critics(config.ie_net))
    assert sum(count_parameters(config, channels).values()) == whole


def test_counting_without_guidance_leaves_the_extractor_out():
    config = load_config(overrides=["expert_net.guidance=false"])
    assert count_parameters(config)["Expert-Net detail extractor E_S"] == 0


def test_critics_fit_the_feature_map_of_their_ie_net():
    config = load_config(overrides=["ie_net.latent_dim=6", "ie_net.critic_dim=7"]).ie_net
    output = build_ie_net(config, 1).eval()(torch.rand(2, 1, 64, 64))
    of_pooled, of_positions = build_critics(config)
    assert of_pooled(output.mu, output.feature_map).shape == (2, 1)
    assert of_positions(output.mu, output.feature_map).shape == (2, 1, 2, 2)


def test_the_same_torch_seed_builds_the_same_weights():
    def weights(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return build_two_stage(load_config(), 1).state_dict()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["ie_net.encoder.layers.0.point.weight"], other["ie_net.encoder.layers.0.point.weight"])
