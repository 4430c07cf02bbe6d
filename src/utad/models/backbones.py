"""The pretrained network whose features are compared: any timm model, frozen, cut after the last stage in use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from utad.config import BackboneConfig
from utad.errors import ConfigError, WeightsError
from utad.models.weights import BUNDLED, how_to_get, load_bundled, load_into, read_weights


class Backbone(nn.Module):
    """Feature maps of chosen stages; never trained, always in evaluation mode.

    Args:
        network: a timm `features_only` network.
        mean: of the normalisation, one value per RGB channel.
        std: of the normalisation.
        channels: of each stage.
        reductions: input side over the side of each stage.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        channels: tuple[int, ...],
        reductions: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)
        self.channels = channels
        self.reductions = reductions
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def train(self, mode: bool = True) -> Backbone:  # noqa: ARG002 - torch's own signature
        """Stays in evaluation mode whatever is asked: its batch statistics are part of the measurement."""
        return super().train(mode=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images `(N, C, H, W)` in [0, 1], C 1 or 3, to one `(N, C_l, H / r_l, W / r_l)` per stage."""
        normalised = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        return tuple(self.network(normalised))


class Pixels(nn.Module):
    """Compares the images themselves instead of features: a backbone whose one stage is its input."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images `(N, C, H, W)`, as they are."""
        return (images,)


def build_backbone(config: BackboneConfig, *, pretrained: bool = True) -> Backbone:
    """Builds the backbone of the config.

    Args:
        config: name, stages and, unless bundled or from timm's hub, the file of the weights.
        pretrained: False leaves the weights random, for a model file to fill.

    Raises:
        ConfigError: if timm has no such model or the model no such stage.
        WeightsError: if the weights cannot be had; the message says what to do.
    """
    import timm

    timm_name = f"tf_{config.name}" if config.name in BUNDLED else config.name
    if not timm.is_model(timm_name):
        raise ConfigError(f"backbone.name: timm has no model {config.name!r}; bundled are {', '.join(BUNDLED)}")
    stages = list(config.stages)
    try:
        network = timm.create_model(timm_name, pretrained=False, features_only=True, out_indices=stages)
    except (IndexError, AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"backbone {config.name} does not have the stages {list(config.stages)}: {error or 'out of range'}"
        ) from None
    if pretrained and config.weights is None and config.name not in BUNDLED:
        try:
            network = timm.create_model(timm_name, pretrained=True, features_only=True, out_indices=stages)
        except Exception as error:  # the hub's client raises a dozen unrelated classes when there is no internet
            raise WeightsError(
                f"the weights of backbone {config.name} are not on this machine and could not be fetched "
                f"({type(error).__name__}): {how_to_get(config.name)}"
            ) from None
    _cut_after_last_stage(network, config.stages[-1])
    if pretrained and config.weights is not None:
        load_into(network, read_weights(config.weights), str(config.weights))
    elif pretrained and config.name in BUNDLED:
        load_into(network, load_bundled(config.name), f"the bundled checkpoint of {config.name}")
    if config.name in BUNDLED:
        fuse_batch_norm(network)
    settings = timm.get_pretrained_cfg(timm_name)
    return Backbone(
        network,
        tuple(settings.mean),
        tuple(settings.std),
        tuple(network.feature_info.channels()),
        tuple(network.feature_info.reduction()),
    )


def fuse_batch_norm(network: nn.Module) -> None:
    """Puts every batch norm into the convolution before it, in place; what is never trained need not normalise.

    The network must register each batch norm right after the convolution that feeds it, as EfficientNet-Lite does.
    """
    for parent in network.modules():
        convolution: nn.Conv2d | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and convolution is not None:
                fused = fuse_conv_bn_eval(convolution.eval(), child.eval())
                convolution.weight, convolution.bias = fused.weight, fused.bias
                convolution.requires_grad_(requires_grad=False)
                # timm's batch norm carries the activation that follows it.
                setattr(parent, name, getattr(child, "act", nn.Identity()))
            if not isinstance(child, nn.Identity):
                convolution = child if isinstance(child, nn.Conv2d) else None


def _cut_after_last_stage(network: nn.Module, last: int) -> None:
    """Timm keeps the later blocks of the EfficientNet family: drop them, they would be computed for nothing."""
    blocks = getattr(network, "blocks", None)
    if not isinstance(blocks, nn.Sequential):
        return
    feature_info: Any = network.feature_info
    module = str(feature_info.get_dicts()[feature_info.out_indices.index(last)]["module"])
    # A stage may come from before the first block.
    kept = int(module.split(".")[1]) + 1 if module.startswith("blocks.") else 0
    network.blocks = blocks[:kept]
