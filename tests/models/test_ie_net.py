from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.config import PRESETS, load_config
from utad.models.build import build_ie_net
from utad.models.ie_net import Decoder, Encoder, LatentHead
from utad.objectives.mutual_information import prior_divergence


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("preset", PRESETS)
@torch.no_grad()
def test_every_preset_restores_the_size_it_reads(preset, channels):
    config = load_config(preset)
    net = build_ie_net(config.ie_net, channels).eval()
    size = config.image.size
    output = net(torch.rand(1, channels, size, size))
    side = size // config.ie_net.reduction
    assert output.impression.shape == (1, channels, size, size)
    assert output.feature_map.shape == (1, 4 * config.ie_net.filters[-1], side, side)
    assert output.mu.shape == output.log_var.shape == (1, config.ie_net.latent_dim)


def test_the_feature_map_of_the_paper_is_512_by_8_by_8():
    config = load_config("paper").ie_net
    assert build_ie_net(config, 3).encoder(torch.rand(2, 3, 256, 256)).shape == (2, 512, 8, 8)


def test_the_decoder_of_the_paper_can_double_the_side_in_each_block_with_as_many_parameters():
    twos = ["ie_net.pools=[2,2,2,2]", "ie_net.upsamples=[2,2,2,2]"]
    net, paper = (build_ie_net(load_config("paper", overrides=given).ie_net, 3) for given in (twos, []))
    assert sum(weight.numel() for weight in net.parameters()) == sum(weight.numel() for weight in paper.parameters())
    features = net.encoder(torch.rand(2, 3, 256, 256))
    assert features.shape == (2, 512, 16, 16)
    sides = [(features := block(features)).shape[-1] for block in net.decoder.layers]
    assert sides == [32, 64, 128, 256]


def test_the_prior_trains_the_encoder_that_the_impression_is_made_of_and_not_its_decoder():
    torch.manual_seed(0)
    net = build_ie_net(load_config().ie_net, 1)
    output = net(torch.rand(2, 1, 64, 64))
    prior_divergence(output.mu, output.log_var).backward()
    assert all(float(weight.grad.abs().sum()) > 0 for weight in net.encoder.parameters())
    assert all(weight.grad is None for weight in net.decoder.parameters())


def test_impressions_lie_in_the_unit_interval_whatever_comes_in():
    torch.manual_seed(0)
    net = build_ie_net(load_config().ie_net, 3)
    nn.init.normal_(net.decoder.to_image[0].weight, std=30)
    impression = net(100 * torch.randn(2, 3, 64, 64)).impression
    assert 0 <= impression.min() < 0.01
    assert 0.99 < impression.max() <= 1


def test_pooling_takes_the_maximum():
    encoder = Encoder(1, (2,), (4,)).eval()
    images = torch.rand(1, 1, 8, 8)
    before_pooling = encoder.layers[0](images)
    expected = before_pooling.unflatten(2, (2, 4)).unflatten(4, (2, 4)).amax(dim=(3, 5))
    assert torch.equal(encoder(images), expected)


def test_shuffling_trades_channels_for_pixels():
    plain = Decoder(4, (2, 2), (2, 2), 3, shuffle=1)
    shuffled = Decoder(4, (2, 2), (2, 1), 3, shuffle=2)
    features = torch.rand(2, 4, 4, 4)
    assert plain(features).shape == shuffled(features).shape == (2, 3, 16, 16)
    assert plain.to_image[0].out_channels == 3
    assert shuffled.to_image[0].out_channels == 3 * 2**2


def test_the_latent_does_not_depend_on_where_features_are():
    head = LatentHead(6, 8, 5)
    features = torch.randn(3, 6, 4, 4)
    moved = features.flatten(2)[:, :, torch.randperm(16)].unflatten(2, (4, 4))
    for here, there in zip(head(features), head(moved), strict=True):
        assert torch.allclose(here, there, atol=1e-6)


def test_the_latent_head_has_three_layers():
    sizes = [(layer.in_features, layer.out_features) for layer in LatentHead(6, 8, 5).layers[::2]]
    assert sizes == [(6, 8), (8, 8), (8, 10)]


@pytest.mark.parametrize(("sign", "bound"), [(1.0, 10.0), (-1.0, -10.0)])
def test_the_log_variance_is_bounded_and_the_mean_is_not(sign, bound):
    head = LatentHead(6, 8, 5)
    nn.init.constant_(head.layers[-1].bias, sign * 1e4)
    mu, log_var = head(torch.randn(3, 6, 2, 2))
    assert bool((log_var == bound).all())
    assert bool((sign * mu > 1e3).all())


def test_mean_and_log_variance_are_the_two_halves_of_the_last_layer():
    head = LatentHead(2, 4, 3)
    last = head.layers[-1]
    nn.init.zeros_(last.weight)
    last.bias.data = torch.arange(6.0)
    mu, log_var = head(torch.rand(1, 2, 2, 2))
    assert mu.tolist() == [[0.0, 1.0, 2.0]]
    assert log_var.tolist() == [[3.0, 4.0, 5.0]]
