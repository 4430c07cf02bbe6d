from __future__ import annotations

import torch
from torch import nn

from utad.config import ExpertNetConfig
from utad.models.build import build_expert_net
from utad.models.expert_fast import FastContentEncoder, FastDecoder, FastDetailExtractor


def images(seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_shapes_of_the_parts():
    content = FastContentEncoder(3, 4, 2)(images())
    detail = FastDetailExtractor(3, 4, 5)(images())
    assert content.shape == (2, 8, 8, 8)
    assert detail.shape == (2, 5)
    assert FastDecoder(3, 4, 2, 5, 16)(content, detail).shape == (2, 3, 32, 32)


def test_it_starts_as_the_identity():
    # Not x_hat = x: before any training, x_hat is m and m_hat is x.
    net = build_expert_net(ExpertNetConfig(layout="fast", width=4), 3)
    output = net(images(0), images(1))
    assert torch.equal(output.reconstruction, images(1))
    assert torch.equal(output.naive_impression, images(0))


def test_the_last_convolution_learns_from_the_start():
    decoder = FastDecoder(3, 4, 1, 5, 16)
    decoder(torch.rand(2, 8, 8, 8), torch.rand(2, 5)).sum().backward()
    last = next(module for module in reversed(decoder.upsampling) if isinstance(module, nn.Conv2d))
    assert bool((last.weight.grad != 0).any())
    assert bool((last.weight == 0).all())


def test_content_and_detail_both_reach_the_image_once_it_has_learnt():
    torch.manual_seed(0)
    decoder = FastDecoder(3, 4, 1, 5, 16)
    nn.init.normal_(decoder.upsampling[-2].weight)
    content, detail = torch.rand(1, 8, 8, 8), torch.rand(1, 5)
    before = decoder(content, detail)
    assert not torch.allclose(before, decoder(content + torch.rand(1, 8, 8, 8), detail), atol=1e-3)
    assert not torch.allclose(before, decoder(content, detail + 1), atol=1e-3)
