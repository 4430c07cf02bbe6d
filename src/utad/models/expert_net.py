"""Expert-Net, the second stage: restores the details, and makes a naive impression the other way (section 3.2).

    x_hat = D(E_X^B(m), E_S(x))        m_hat = D(E_X^A(x), E_S(m))

This file says how the parts are put together; the parts are in `expert_paper.py` (MUNIT's layout, the paper's)
and `expert_fast.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ExpertOutput:
    """What Expert-Net makes of images x and impressions m, `(N, C, S, S)` each.

    Attributes:
        reconstruction: x_hat, `(N, C, S, S)`; within [0, 1] in the paper's layout only.
        naive_impression: m_hat, the same; of the last images only, where `forward` was told so.
        image_detail: s = E_S(x), `(N, detail_dim)`; random without guidance.
    """

    reconstruction: Tensor
    naive_impression: Tensor
    image_detail: Tensor


class ExpertNet(nn.Module):
    """Two content encoders, a detail extractor and a decoder, shared between the directions or one for each.

    Args:
        image_encoder: E_X^A, content of images.
        impression_encoder: E_X^B, content of impressions.
        detail_extractors: E_S; one for both directions, or that of images and that of impressions.
        decoders: D; one for both directions, or that to images and that to impressions.
        skip: the decoder's output is added to what it started from: x_hat = m + D(...), m_hat = x + D(...).
        guidance: False draws s from N(0, 1) instead of extracting it (Table 2).
    """

    def __init__(
        self,
        image_encoder: nn.Module,
        impression_encoder: nn.Module,
        detail_extractors: nn.ModuleList,
        decoders: nn.ModuleList,
        *,
        detail_dim: int,
        skip: bool,
        guidance: bool,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.impression_encoder = impression_encoder
        self.detail_extractors = detail_extractors
        self.decoders = decoders
        self.detail_dim = detail_dim
        self.skip = skip
        self.guidance = guidance

    def forward(
        self,
        images: Tensor,
        impressions: Tensor,
        generator: torch.Generator | None = None,
        *,
        naive_from: int = 0,
    ) -> ExpertOutput:
        """Both directions at once.

        Args:
            images: x, `(N, C, S, S)` in [0, 1].
            impressions: m, the same.
            generator: draws the detail codes where there is no guidance.
            naive_from: the first image whose m_hat is made; those before it cost nothing that way.
        """
        detail = self.image_detail(images, generator)
        impression_detail = self.impression_detail(impressions[naive_from:], generator)
        naive = self.naive(images[naive_from:], impression_detail)
        return ExpertOutput(self.reconstruct(impressions, detail), naive, detail)

    def reconstruct(self, impressions: Tensor, image_detail: Tensor) -> Tensor:
        """x_hat of impressions m `(N, C, S, S)` and the details s `(N, detail_dim)` of their images."""
        decoded: Tensor = self.decoders[0](self.impression_encoder(impressions), image_detail)
        return impressions + decoded if self.skip else decoded

    def naive(self, images: Tensor, impression_detail: Tensor) -> Tensor:
        """m_hat of images x `(N, C, S, S)` and the details `(N, detail_dim)` of their impressions."""
        decoded: Tensor = self.decoders[-1](self.image_encoder(images), impression_detail)
        return images + decoded if self.skip else decoded

    def image_detail(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The detail code s = E_S(x), `(N, detail_dim)`."""
        return self._detail(0, images, generator)

    def impression_detail(self, impressions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The detail code of impressions, `(N, detail_dim)`."""
        return self._detail(-1, impressions, generator)

    def restored_detail(self, reconstruction: Tensor) -> Tensor:
        """s_hat = E_S(x_hat), `(N, detail_dim)`, with E_S held fixed: the gradient reaches x_hat alone.

        An E_S that were trained to make s_hat meet s would do so by a constant code (docs/adr/0003).
        """
        extractor = self.detail_extractors[0]
        fixed = {name: parameter.detach() for name, parameter in extractor.named_parameters()}
        detail: Tensor = torch.func.functional_call(extractor, fixed, (reconstruction,))
        return detail

    def _detail(self, direction: int, images: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.guidance:
            detail: Tensor = self.detail_extractors[direction](images)
            return detail
        if generator is None:
            # Scoring must not depend on the batch an image comes in: without guidance and without a generator,
            # the mean of N(0, 1) stands for s.
            return images.new_zeros(images.shape[0], self.detail_dim)
        noise = torch.randn(len(images), self.detail_dim, generator=generator)
        return noise.to(device=images.device, dtype=images.dtype)
