"""AE-L2 and AE-SSIM (Bergmann et al., VISIGRAPP 2019).

The source is "Improving Unsupervised Defect Segmentation by Applying Structural Similarity to Autoencoders". One
auto-encoder, two losses: the squared error, or one minus SSIM in windows of 11 x 11. The map is the loss, pixel by
pixel; the image's score is the highest value of its map. Adam, learning rate 2e-4, weight decay 1e-5, latent size
100 and a last convolution of 8 x 8 as there. Images of more than the 128 pixels there are halved further first, by
the convolution that the network begins with.

AE-64, AE-128 and AE-256 of the paper's Table 4 have 2.98, 11.89 and 47.47 M parameters at 256 pixels. The count
quadruples where N doubles, so N scales every width and the code as well: were the code alone N numbers, the count
would grow with N, not its square; were N the widest of these layers, AE-256 would have 3 M. The three counts leave
723 N^2 and a small rest that grows with N. The layers above have 622 N^2 with N channels in the first. Halved on by
the first layer's kind to 4 x 4, which takes two halvings more at 256 pixels, 64 N^2, with a code of N numbers,
32 N^2, they have 718 N^2: 2.95, 11.78 and 47.09 M, one per cent less than the paper's. With the source's 8 x 8 before
the code it would be 782 N^2, eight per cent more. What the authors' own layers were is not known. The study
ablation-capacity sets these widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.blocks import ConvDecoder, ConvEncoder
from utad.baselines.departures import Departures
from utad.baselines.fitting import TrainedBaseline

WINDOW = 11
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(kw_only=True, eq=False)
class AEL2(TrainedBaseline):
    """Auto-encoder with the squared error.

    Args:
        latent_dim: size of the code.
        width: channels of the first layer.
        code_side: side of what the last convolution before the code sees, at most; 8 in the source.
    """

    name = "ae-l2"
    weight_decay = 1e-5
    departs: ClassVar[Departures] = Departures(
        source="Bergmann et al., VISIGRAPP 2019",
        changes=("whole images instead of patches of them",),
        source_steps="200 epochs of 10000 patches",
    )

    latent_dim: int = 100
    width: int = 32
    code_side: int = 8

    def learn(self, images: Tensor) -> None:
        """Trains the auto-encoder."""
        channels = images.shape[1]
        self.network_ = nn.Sequential(
            ConvEncoder(channels, self.size, self.latent_dim, width=self.width, code_side=self.code_side),
            ConvDecoder(channels, self.size, self.latent_dim, width=self.width, code_side=self.code_side),
        )
        self.losses_ = self.train(
            [self.network_], images, lambda batch: self.residual(batch, self.reconstruct(batch)).mean()
        )

    def score(self, images: Tensor) -> Scores:
        """The residual of every pixel."""
        maps = self.residual(images, self.reconstruct(images))
        return Scores(maps.flatten(1).amax(dim=1), maps)

    def reconstruct(self, images: Tensor) -> Tensor:
        """x_hat, `(N, C, S, S)`."""
        self.check_fitted()
        reconstruction: Tensor = self.network_(images)
        return reconstruction

    def residual(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """Squared error, summed over channels: `(N, S, S)`."""
        return (images - reconstruction).square().sum(dim=1)


class AESSIM(AEL2):
    """Auto-encoder with the structural similarity."""

    name = "ae-ssim"

    def residual(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """One minus SSIM, averaged over channels: `(N, S, S)`."""
        return 1.0 - ssim_map(images, reconstruction).mean(dim=1)


def ssim_map(first: Tensor, second: Tensor, window: int = WINDOW) -> Tensor:
    """SSIM (Wang et al., 2004) in a square window around every pixel, images mirrored at their borders.

    (2 mu_a mu_b + c1) (2 sigma_ab + c2) / ((mu_a^2 + mu_b^2 + c1) (sigma_a^2 + sigma_b^2 + c2)), c1 = 0.01^2,
    c2 = 0.03^2.

    Args:
        first: `(N, C, H, W)` in [0, 1].
        second: the same.
        window: its side, odd.

    Returns:
        `(N, C, H, W)` in [-1, 1].
    """
    mean_a, mean_b = _mean(first, window), _mean(second, window)
    variance_a = _mean(first.square(), window) - mean_a.square()
    variance_b = _mean(second.square(), window) - mean_b.square()
    covariance = _mean(first * second, window) - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return above / ((mean_a.square() + mean_b.square() + _C1) * (variance_a + variance_b + _C2))


def _mean(images: Tensor, window: int) -> Tensor:
    margin = window // 2
    padded = functional.pad(images, (margin, margin, margin, margin), mode="reflect")
    return functional.avg_pool2d(padded, window, stride=1)
