"""The sections of the networks that are trained."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from utad.config.section import Positive, Section


class IENetConfig(Section):
    """IE-Net: filters of each of the four branches per inception block, and the factor of each pooling.

    The decoder has its own filters and upsampling factors, in its own order (design, section 2). `shuffle`
    above 1 makes the last 1x1 convolution give that many pixels by pixel-shuffle instead of one. `branch_pooling` is
    that of the fourth branch of an inception block (docs/adr/0032).
    """

    unwritten: ClassVar[Mapping[str, Any]] = {"branch_pooling": "average"}

    filters: Annotated[tuple[Positive, ...], Field(min_length=1)] = (8, 8, 16, 32)
    pools: Annotated[tuple[Positive, ...], Field(min_length=1)] = (4, 2, 2, 2)
    decoder_filters: Annotated[tuple[Positive, ...], Field(min_length=1)] = (32, 16, 8, 8)
    upsamples: Annotated[tuple[Positive, ...], Field(min_length=1)] = (2, 4, 2, 1)
    shuffle: Positive = 2
    branch_pooling: Literal["average", "max"] = "average"
    latent_dim: Positive = 128
    hidden_dim: Positive = 256
    critic_dim: Positive = 128

    @model_validator(mode="after")
    def _one_pool_per_block(self) -> Self:
        if len(self.filters) != len(self.pools):
            raise ValueError(
                f"ie_net.filters has {len(self.filters)} entries and ie_net.pools {len(self.pools)}: "
                "give one pooling factor per inception block"
            )
        if len(self.upsamples) != len(self.decoder_filters) or prod(self.upsamples) * self.shuffle != self.reduction:
            raise ValueError(
                f"ie_net.upsamples {list(self.upsamples)} must have {len(self.decoder_filters)} entries and, times "
                f"ie_net.shuffle {self.shuffle}, undo the pooling by {self.reduction}"
            )
        return self

    @property
    def reduction(self) -> int:
        """Input side over the side of z."""
        return prod(self.pools)


class ExpertNetConfig(Section):
    """Expert-Net: `paper` is MUNIT's AdaIN auto-encoder, `fast` the pixel-unshuffle layout with a skip.

    `shared` makes one decoder and one detail extractor serve both directions, as the paper counts them.
    Without `guidance`, the detail code is drawn from N(0, 1) (Table 2, "without E_S").
    """

    layout: Literal["paper", "fast"] = "fast"
    width: Positive = 32
    residual_blocks: Positive = 2
    detail_dim: Positive = 8
    hidden_dim: Positive = 64
    shared: bool = True
    guidance: bool = True


class FeatureNetConfig(Section):
    """The auto-encoder over features: channels within and of its code, and halvings of the sides down to that."""

    width: Positive = 128
    code_channels: Positive = 64
    halvings: Annotated[int, Field(ge=1, le=4)] = 2
