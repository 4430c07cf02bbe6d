from __future__ import annotations

import pytest
import torch
from torch import nn

from utad.models.expert_paper import (
    AdaINTrunk,
    ContentEncoder,
    Decoder,
    DetailExtractor,
    ImageLayerNorm,
    ResidualBlock,
)


def images(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_shapes_of_the_parts():
    content = ContentEncoder(3, 4, 2)(images())
    detail = DetailExtractor(3, 4, 5)(images())
    assert content.shape == (2, 16, 8, 8)
    assert detail.shape == (2, 5)
    assert Decoder(3, 4, 2, 5, 16)(content, detail).shape == (2, 3, 32, 32)


def test_decoded_images_lie_in_the_unit_interval():
    torch.manual_seed(0)
    decoder = Decoder(3, 4, 1, 5, 16)
    nn.init.normal_(decoder.upsampling[-2].weight, std=10)
    decoded = decoder(100 * torch.randn(2, 16, 8, 8), 100 * torch.randn(2, 5))
    assert 0 <= decoded.min() < 0.01
    assert 0.99 < decoded.max() <= 1


def test_content_is_blind_to_brightness_and_contrast_and_detail_is_not():
    torch.manual_seed(0)
    encoder, extractor = ContentEncoder(3, 4, 1), DetailExtractor(3, 4, 5)
    darker = 0.6 * images() + 0.3
    content, detail = encoder(images()), extractor(images())
    assert torch.allclose(encoder(darker), content, atol=0.02 * content.abs().max().item())
    assert (extractor(darker) - detail).abs().max() > 0.02 * detail.abs().max()


def test_a_residual_block_that_adds_nothing_is_the_identity():
    block = ResidualBlock(4)
    nn.init.zeros_(block.second.weight)
    nn.init.zeros_(block.second.bias)
    features = torch.randn(2, 4, 6, 6)
    assert torch.allclose(block(features), features)


def test_image_layer_norm_is_layer_norm_over_each_image():
    norm = ImageLayerNorm(4)
    features = 5 * torch.randn(3, 4, 6, 7) + 2
    assert torch.allclose(norm(features), nn.LayerNorm((4, 6, 7))(features), atol=1e-5)
    norm.norm.bias.data = torch.arange(4.0)
    shifted = norm(features).mean(dim=(2, 3)) - nn.LayerNorm((4, 6, 7))(features).mean(dim=(2, 3))
    assert torch.allclose(shifted, torch.arange(4.0).expand(3, 4), atol=1e-5)


@pytest.mark.parametrize("blocks", [1, 3])
def test_every_block_of_the_trunk_gets_its_own_style(blocks):
    trunk = AdaINTrunk(4, blocks, 5, 16)
    for block in trunk.blocks:
        nn.init.zeros_(block.second.weight)
    last = trunk.mlp[-1]
    nn.init.zeros_(last.weight)
    # Shift of the second convolution of block i: 10 ** i in every channel.
    style = torch.zeros(blocks, 4, 4)
    style[:, 3] = 10.0 ** torch.arange(blocks)[:, None]
    last.bias.data = style.flatten()
    content = torch.randn(2, 4, 6, 6)
    added = trunk(content, torch.randn(2, 5)) - content
    assert torch.allclose(added, torch.full_like(added, sum(10.0**i for i in range(blocks))), rtol=1e-4)


def test_each_image_is_styled_by_its_own_detail():
    torch.manual_seed(0)
    trunk = AdaINTrunk(4, 1, 5, 16)
    content = torch.randn(1, 4, 6, 6).expand(2, -1, -1, -1)
    details = torch.tensor([[0.0] * 5, [3.0] * 5])
    styled = trunk(content, details)
    assert not torch.allclose(styled[0], styled[1], atol=1e-3)
    assert torch.allclose(styled[1:], trunk(content[1:], details[1:]), atol=1e-6)
