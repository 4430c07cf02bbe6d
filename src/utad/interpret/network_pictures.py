"""What figures ask of a fitted network beyond its predictions: latents, and reconstructions with drawn details."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from utad.data.tensors import to_tensor, to_uint8
from utad.scoring.network import DetectorNetwork
from utad.seeding import generator_for
from utad.types import Image


@torch.inference_mode()
def latent_means(network: DetectorNetwork, images: Sequence[Image]) -> NDArray[np.float32]:
    """The means mu of IE-Net's latents, `(N, latent_dim)` float32.

    Args:
        network: fitted.
        images: N of them, `(H, W, 3)` each, uint8 or uint16.
    """
    ie_net = network.two_stage.ie_net
    mu, _ = ie_net.latent_head(ie_net.encoder(_tensor(network, images)))
    means: NDArray[np.float32] = mu.float().cpu().numpy()
    return means


@torch.inference_mode()
def drawn_reconstructions(
    network: DetectorNetwork, image: Image, *, seed: int, names: Sequence[str]
) -> dict[str, NDArray[np.uint8]]:
    """Reconstructions x_hat of one image, `(H, W, 3)` uint8, each with a detail drawn from N(0, 1).

    Args:
        network: fitted, without guidance.
        image: `(H, W, 3)`, uint8 or uint16.
        seed: of the draws; every image gets the same.
        names: of the draws.
    """
    expert, size = network.two_stage.expert_net, (image.shape[0], image.shape[1])
    x = _tensor(network, [image])
    impression = network.two_stage(x, ("impression",))["impression"]
    found = {}
    for index, name in enumerate(names):
        detail = expert.image_detail(x, generator_for(seed, "detail of a figure", index))
        found[name] = to_uint8(expert.reconstruct(impression, detail)[0], size)
    return found


def _tensor(network: DetectorNetwork, images: Sequence[Image]) -> Tensor:
    """Images as the networks see them, `(N, C, S, S)`, on the network's device."""
    region = network.region
    seen = images if region is None else [region.filled(image) for image in images]
    tensors = [to_tensor(image, network.size, network.channels) for image in seen]
    return torch.stack(tensors).to(next(network.parameters()).device)
