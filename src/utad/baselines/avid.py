"""AVID (Sabokrou et al., "AVID: Adversarial Visual Irregularity Detection", ACCV 2018; arXiv 1805.09521).

Two networks play a least-squares game on normal images. The inpainter I, a U-Net, sees them under Gaussian noise and
is to make what the detector D takes for normal; D, without padding, judges patches, one a cell: 1 for those of normal
images, 0 for those that I made. I minimises mean (D(I(x + n)) - 1)^2 and D mean (D(x) - 1)^2 + mean D(I(x + n))^2.

An image is irregular where D finds a patch of I(x) irregular: its score is minus the least (d + 1) / 2 of all cells d
of D(I(x)). Pixels are irregular where |x - I(x)| is large and the patch is irregular too.

Layers, the noise, after which images are clipped, the learning rate, both betas of Adam and the images in [-1, 1] that
the networks see are those of the released code. That code has a term mean (x - I(x + n))^2 and switches it off. It is
off here too, so that only the game ties I(x) to x; `reconstruction` gives it a weight.

The source's D is for images of 224 pixels: it looks at patches of 51, with a cell every 16 pixels. Here the stride of
its first layer goes with the side, up to the source's 4: 1 at 64 pixels, 2 at 128 and 4 at 256. From 64 to 256 pixels
there are 9 to 13 cells in a row, and a patch is a fifth to a third of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.blocks import noisy, signed
from utad.baselines.departures import Departures
from utad.baselines.fitting import AdversarialBaseline
from utad.errors import ConfigError

SOURCE_SIZE = 224
SOURCE_STRIDE = 4
"""Of the detector's first layer."""
_HALVINGS = 4
_LEAST_SIZE = 32


class Inpainter(nn.Module):
    """I: a U-Net of two 3x3 convolutions with batch norm a level, four times halved by max pooling.

    Args:
        channels: of the images.
        width: channels of the first level; 64 in the source, which makes 64-128-256-256-64 down and 256-64-64-64 up.
    """

    def __init__(self, channels: int, *, width: int) -> None:
        super().__init__()
        down = (width, 2 * width, 4 * width, 4 * width, width)
        up = (4 * width, width, width, width)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = channels
        for after in down:
            self.down.append(_two_convolutions(before, after))
            before = after
        for handed, after in zip(reversed(down[:-1]), up, strict=True):
            self.up.append(_two_convolutions(before + handed, after))
            before = after
        self.last = nn.Conv2d(before, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)`, S a multiple of 16, to the same, unbounded."""
        passed = []
        values = images
        for level, down in enumerate(self.down):
            values = down(functional.max_pool2d(values, 2) if level else values)
            passed.append(values)
        for up, handed in zip(self.up, reversed(passed[:-1]), strict=True):
            doubled = functional.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)
            values = up(torch.cat([handed, doubled], dim=1))
        inpainted: Tensor = self.last(values)
        return inpainted


class PatchDetector(nn.Module):
    """D: convolutions without padding, pooling or norm, so that a cell sees its patch alone.

    Args:
        channels: of the images.
        size: S, which sets the stride of the first layer.
        width: of the inpainter; the detector's layers are as wide beside it as in the source, 96 to 1024 beside 64.

    Attributes:
        stride: pixels from one cell to the next.
        patch: side of what a cell sees.
        cells: in a row, for images of S pixels.
    """

    def __init__(self, channels: int, size: int, *, width: int) -> None:
        super().__init__()
        first = first_stride(size)
        narrow = 3 * width // 2
        # Kernel, stride and channels of each layer.
        plan = (
            (11, first, narrow),
            (1, 1, narrow),
            (1, 1, narrow),
            (3, 2, narrow),
            (1, 1, narrow),
            (1, 1, narrow),
            (5, 2, 4 * width),
            (1, 1, 8 * width),
            (1, 1, 16 * width),
            (1, 1, 16 * width),
        )
        layers: list[nn.Module] = []
        self.stride, self.patch, self.cells = 1, 1, size
        for kernel, stride, after in plan:
            layers += [nn.Conv2d(channels, after, kernel, stride), nn.ReLU()]
            channels = after
            self.patch += (kernel - 1) * self.stride
            self.stride *= stride
            self.cells = (self.cells - kernel) // stride + 1
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1, bias=False))
        self.apply(_keep_variance)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, C, S, S)` to cells `(N, g, g)`, unbounded: 1 is normal, 0 is not."""
        cells: Tensor = self.layers(images)[:, 0]
        return cells


@dataclass(kw_only=True, eq=False)
class AVID(AdversarialBaseline):
    """An inpainter, and a detector that judges the patches of what it makes.

    Args:
        width: channels of the first level of the inpainter, which the detector's go with; 64 in the source.
        noise: standard deviation of what is added to the images, in [0, 1], that train the inpainter.
        reconstruction: weight of mean (x - I(x + n))^2 in the inpainter's loss, which the released code has and leaves
            out.

    Raises:
        ConfigError: if the networks cannot take images of that size.
    """

    name = "avid"
    betas = (0.9, 0.9)
    departs: ClassVar[Departures] = Departures(
        source="Sabokrou et al., ACCV 2018",
        changes=(
            "{width} instead of 64 channels, the detector's with them",
            "batches of {batch_size} instead of 16 images",
            "a smaller stride of the detector's first layer for images of less than 224 pixels",
            "colour where the images have it, instead of grey",
            "the detector's weights drawn after He et al., so that it learns in fewer steps",
            "no noise on test images",
            "single images, also where the source takes three frames of a video",
            "the map is |x - I(x)| times 1 - d, interpolated between the centres of the patches and not below 0, "
            "instead of the intersection of two masks",
        ),
        source_steps="40 epochs",
    )

    width: int = 16
    steps: int = 400
    batch_size: int = 8
    noise: float = 0.4
    reconstruction: float = 0.0

    def __post_init__(self) -> None:
        if self.size < _LEAST_SIZE or self.size % 2**_HALVINGS:
            raise ConfigError(
                f"{self.name}: got images of {self.size} pixels, expected a multiple of {2**_HALVINGS} of at least "
                f"{_LEAST_SIZE}: change image.size"
            )

    def learn(self, images: Tensor) -> None:
        """Trains both networks."""
        channels = images.shape[1]
        self.inpainter_ = Inpainter(channels, width=self.width)
        self.detector_ = PatchDetector(channels, self.size, width=self.width)
        self.adversarial_losses_ = self.train_adversarial(
            self.inpainter_, self.detector_, images, (self._inpainter_loss, self._detector_loss)
        )
        self.losses_ = [inpainter for inpainter, _ in self.adversarial_losses_]

    def score(self, images: Tensor) -> Scores:
        """How irregular the most irregular patch is, and the residual in irregular patches."""
        self.check_fitted()
        shown = signed(images)
        inpainted = self.inpainter_(shown)
        cells = self.detector_(inpainted)
        residual = (shown - inpainted).abs().sum(dim=1)
        irregular = (1 - between_cells(cells, self.size, self.detector_.stride, self.detector_.patch)).clamp_min(0.0)
        return Scores(irregularity(cells), irregular * residual)

    def _inpainter_loss(self, images: Tensor) -> Tensor:
        inpainted = self._inpainted(images)
        loss = inpainter_loss(self.detector_(inpainted))
        return loss + self.reconstruction * functional.mse_loss(inpainted, signed(images))

    def _detector_loss(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            inpainted = self._inpainted(images)
        return detector_loss(self.detector_(signed(images)), self.detector_(inpainted))

    def _inpainted(self, images: Tensor) -> Tensor:
        inpainted: Tensor = self.inpainter_(signed(noisy(images, self.noise).clamp(0.0, 1.0)))
        return inpainted


def first_stride(size: int) -> int:
    """Stride of the detector's first layer for images of that side: as many pixels of the image's as in the source."""
    return min(SOURCE_STRIDE, max(1, round(SOURCE_STRIDE * size / SOURCE_SIZE)))


def inpainter_loss(inpainted: Tensor) -> Tensor:
    """Mean (D(I(x + n)) - 1)^2, a scalar, of cells of any shape."""
    return (inpainted - 1).square().mean()


def detector_loss(normal: Tensor, inpainted: Tensor) -> Tensor:
    """Mean (D(x) - 1)^2 + mean D(I(x + n))^2, a scalar, of cells of any shape."""
    return (normal - 1).square().mean() + inpainted.square().mean()


def irregularity(cells: Tensor) -> Tensor:
    """-min (d + 1) / 2 over the cells `(N, g, g)` of each image: `(N,)`."""
    return -((cells + 1) / 2).flatten(1).amin(dim=1)


def between_cells(cells: Tensor, size: int, stride: int, patch: int) -> Tensor:
    """Cells `(N, g, g)` at every pixel, `(N, size, size)`: bilinear between the centres of the patches, flat outside.

    Args:
        cells: of the detector.
        size: S.
        stride: pixels from one cell to the next.
        patch: side of what a cell sees, the first from pixel 0 on.
    """
    count = cells.shape[-1]
    nearest = ((torch.arange(size, device=cells.device) - (patch - 1) / 2) / stride).clamp(0, count - 1)
    # One row of weights for each pixel, the same along both sides: (S, g).
    weights = (1 - (nearest[:, None] - torch.arange(count, device=cells.device)).abs()).clamp_min(0.0)
    return weights @ cells @ weights.T


def _keep_variance(layer: nn.Module) -> None:
    """Without norm, eleven layers as torch draws them give all images the same value, of which too little is learnt."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _two_convolutions(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
