"""The only place that knows how sizes in the config become networks."""

from __future__ import annotations

import torch
from torch import nn

from utad.config import Config, ExpertNetConfig, FeatureNetConfig, IENetConfig
from utad.models.critics import GlobalCritic, LocalCritic
from utad.models.expert_fast import FastContentEncoder, FastDecoder, FastDetailExtractor
from utad.models.expert_net import ExpertNet
from utad.models.expert_paper import ContentEncoder, Decoder, DetailExtractor
from utad.models.feature_impression import FeatureImpression
from utad.models.ie_net import Decoder as ImpressionDecoder
from utad.models.ie_net import Encoder, IENet, LatentHead
from utad.models.two_stage import TwoStage


def build_ie_net(config: IENetConfig, channels: int) -> IENet:
    """IE-Net for images of `channels` channels."""
    pooling = config.branch_pooling
    encoder = Encoder(channels, config.filters, config.pools, branch_pooling=pooling)
    decoder = ImpressionDecoder(
        encoder.out_channels,
        config.decoder_filters,
        config.upsamples,
        channels,
        shuffle=config.shuffle,
        branch_pooling=pooling,
    )
    head = LatentHead(encoder.out_channels, config.hidden_dim, config.latent_dim)
    # Channels-last halves the time of the inception blocks on a CPU; Expert-Net's instance norm loses by it.
    return IENet(encoder, decoder, head).to(memory_format=torch.channels_last)


def build_critics(config: IENetConfig) -> tuple[GlobalCritic, LocalCritic]:
    """The two critics T that train with IE-Net."""
    features = 4 * config.filters[-1]
    return (
        GlobalCritic(config.latent_dim, features, config.critic_dim),
        LocalCritic(config.latent_dim, features, config.critic_dim),
    )


def build_expert_net(config: ExpertNetConfig, channels: int) -> ExpertNet:
    """Expert-Net in the layout that the config names."""
    fast = config.layout == "fast"
    encoder = FastContentEncoder if fast else ContentEncoder
    extractor = FastDetailExtractor if fast else DetailExtractor
    decoder = FastDecoder if fast else Decoder
    width, blocks = config.width, config.residual_blocks
    copies = 1 if config.shared else 2
    extractors = [extractor(channels, width, config.detail_dim) for _ in range(copies)] if config.guidance else []
    decoders = [decoder(channels, width, blocks, config.detail_dim, config.hidden_dim) for _ in range(copies)]
    return ExpertNet(
        encoder(channels, width, blocks),
        encoder(channels, width, blocks),
        nn.ModuleList(extractors),
        nn.ModuleList(decoders),
        detail_dim=config.detail_dim,
        skip=fast,
        guidance=config.guidance,
    )


def build_two_stage(config: Config, channels: int) -> TwoStage:
    """Both stages, untrained."""
    return TwoStage(build_ie_net(config.ie_net, channels), build_expert_net(config.expert_net, channels))


def build_feature_impression(config: FeatureNetConfig, channels: int) -> FeatureImpression:
    """The network that restores features of `channels` channels."""
    return FeatureImpression(channels, config.width, config.code_channels, config.halvings)


def count_parameters(config: Config, channels: int = 3) -> dict[str, int]:
    """Learnable parameters by part, as the paper's Table 4 counts them (the frozen backbone left out)."""
    ie_net = build_ie_net(config.ie_net, channels)
    expert = build_expert_net(config.expert_net, channels)
    parts: dict[str, list[nn.Module]] = {
        "IE-Net encoder E_M": [ie_net.encoder],
        "IE-Net decoder D_M": [ie_net.decoder],
        "IE-Net MLP (mu, log sigma^2)": [ie_net.latent_head],
        "critics T": list(build_critics(config.ie_net)),
        "Expert-Net content encoders E_X^A, E_X^B": [expert.image_encoder, expert.impression_encoder],
        "Expert-Net detail extractor E_S": [expert.detail_extractors],
        "Expert-Net decoder D": [expert.decoders],
    }
    return {
        name: sum(parameter.numel() for module in modules for parameter in module.parameters())
        for name, modules in parts.items()
    }
