"""OCGAN (Perera et al., "OCGAN: One-class Novelty Detection Using GANs with Constrained Latent Representations").

CVPR 2019. A denoising auto-encoder whose codes, by a tanh, lie in the cube (-1, 1)^d, is trained so that every point of
the cube gives an image of the class. A latent discriminator D_l makes the codes of images fill the cube evenly; a
visual discriminator D_v makes images of codes from anywhere in it look real; and a classifier C, of images restored
against images of random codes, finds the codes whose images are least of the class, on which D_v is used: informative
negative mining. What is not of the class cannot be restored then. The image's score is the mean squared error, the map
the squared error.

In every step, with x an image, n noise, and u even in the cube:

1. C learns to tell De(En(x + n)), 1, from De(u), 0.
2. D_v learns to tell x, 1, from De(u), 0; D_l to tell u, 1, from En(x + n), 0.
3. From codes tanh u, gradient descent on u finds in five steps those whose images C calls 0. Then En and De minimise
   10 |De(En(x + n)) - x|^2 + BCE(D_v(De(mined)), 1) + BCE(D_l(En(x + n)), 1), the first a mean.

The weights, the five steps of the mining from the start on and the tanh are the paper's; its code takes one step, after
150 epochs, 10 instead of 1 for D_l and no tanh. Layers, the noise, the settings of Adam, that the losses of 1 and 2 are
halved and the length of the mining's steps are the code's. Convolutions have no padding there, so that 61 pixels become
1 in four of them: images are resized to the next smaller side that ends at 1, which is 61 for 64, 125 for 128 and 253
for 256 pixels, with a convolution more for each doubling. In the parts of a step that do not train it a network is in
evaluation mode: batch norm then has the same statistics for images restored, generated and scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.baselines.baseline import Scores
from utad.baselines.blocks import adversarial_loss, noisy, signed
from utad.baselines.departures import Departures
from utad.baselines.fitting import AdversarialBaseline, Turn
from utad.errors import ConfigError
from utad.scoring.perceptual import upsample

WEIGHT_RECONSTRUCTION, WEIGHT_VISUAL, WEIGHT_LATENT = 10.0, 1.0, 1.0
MINING_STEPS = 5
MINING_LENGTH = 2.0
"""Of a step of the mining."""
NOISE = 0.2**0.5
"""Standard deviation, of a variance of 0.2, of what is added to images in [-1, 1] that train the auto-encoder."""

_KERNEL = 5
_LEAST_SIZE = 29
_INITIAL_DEVIATION = 0.02
_LATENT_WIDTHS = (128, 64, 32, 16)


@dataclass(kw_only=True, eq=False)
class OCGAN(AdversarialBaseline):
    """An auto-encoder all of whose codes are those of normal images.

    Args:
        latent_dim: d, of the cube; 16 in the source for MNIST.
        width: channels of the first layer of encoder and classifier; 64 in the source.
        discriminator_width: of the visual discriminator; 12 in the source.

    Raises:
        ConfigError: if the networks cannot take images of that size.
    """

    name = "ocgan"
    departs: ClassVar[Departures] = Departures(
        source="Perera et al., CVPR 2019",
        changes=(
            "{width} instead of 64 channels",
            "images of 61, 125 or 253 pixels, whichever is next below their own side, and 4, 5 or 6 convolutions, "
            "instead of 61 pixels and 4",
            "one logit of the latent discriminator instead of 16 sigmoids",
            "batch norm by its running statistics in the networks that are not trained at the moment",
            "batches of {batch_size} instead of 512 images",
            "the last weights instead of those with the least validation error",
            "the map, which the source does not have, is the squared error",
        ),
        source_steps="201 epochs of batches of 512 images",
    )

    latent_dim: int = 16
    width: int = 16
    steps: int = 500
    discriminator_width: int = 12

    def __post_init__(self) -> None:
        if self.size < _LEAST_SIZE:
            raise ConfigError(
                f"{self.name}: got images of {self.size} pixels, expected {_LEAST_SIZE} at least: change image.size"
            )

    def learn(self, images: Tensor) -> None:
        """Trains all five networks."""
        channels, layers = images.shape[1], layers_for(self.size)
        self.encoder_ = nn.Sequential(narrowing(channels, layers, self.width, self.latent_dim), nn.Tanh())
        self.decoder_ = widening(self.latent_dim, layers, self.width, channels)
        self.latent_discriminator_ = LatentDiscriminator(self.latent_dim)
        self.visual_discriminator_ = narrowing(channels, layers, self.discriminator_width, 1)
        self.classifier_ = narrowing(channels, layers, self.width, 1)
        for network in self._networks():
            network.apply(_initialise)
        discriminators = nn.ModuleList([self.visual_discriminator_, self.latent_discriminator_])
        auto_encoder = nn.ModuleList([self.encoder_, self.decoder_])
        history = self.train_in_turn(
            [
                Turn(self.classifier_, self._classifier_loss),
                Turn(discriminators, self._discriminators_loss),
                Turn(auto_encoder, self._auto_encoder_loss),
            ],
            images,
        )
        self.adversarial_losses_ = [(last, second) for _, second, last in history]
        self.losses_ = [last for _, _, last in history]

    def score(self, images: Tensor) -> Scores:
        """What the auto-encoder does not restore."""
        self.check_fitted()
        shown = self._shown(images)
        squared = (shown - self.decoder_(self.encoder_(shown))).square()
        return Scores(squared.flatten(1).mean(dim=1), upsample(squared.sum(dim=1), self.size))

    def _classifier_loss(self, images: Tensor) -> Tensor:
        self._train_alone(self.classifier_)
        with torch.no_grad():
            codes = self.encoder_(noisy(self._shown(images), NOISE))
            judged = self.decoder_(torch.cat([codes, self._codes(len(images))]))
        return discriminator_loss(*self.classifier_(judged).chunk(2))

    def _discriminators_loss(self, images: Tensor) -> Tensor:
        self._train_alone(self.visual_discriminator_, self.latent_discriminator_)
        shown, drawn = self._shown(images), self._codes(len(images))
        with torch.no_grad():
            generated, codes = self.decoder_(drawn), self.encoder_(noisy(shown, NOISE))
        visual = self.visual_discriminator_(torch.cat([shown, generated]))
        latent = self.latent_discriminator_(torch.cat([drawn, codes]))
        return discriminator_loss(*visual.chunk(2)) + discriminator_loss(*latent.chunk(2))

    def _auto_encoder_loss(self, images: Tensor) -> Tensor:
        self._train_alone()
        mined = mine(self._codes(len(images)), self.decoder_, self.classifier_)
        self._train_alone(self.encoder_, self.decoder_)
        shown = self._shown(images)
        codes = self.encoder_(noisy(shown, NOISE))
        restored, generated = self.decoder_(torch.cat([codes, mined])).chunk(2)
        return (
            WEIGHT_RECONSTRUCTION * functional.mse_loss(restored, shown)
            + WEIGHT_VISUAL * adversarial_loss(self.visual_discriminator_(generated), real=True)
            + WEIGHT_LATENT * adversarial_loss(self.latent_discriminator_(codes), real=True)
        )

    def _shown(self, images: Tensor) -> Tensor:
        """Images `(N, C, S, S)` in [0, 1] as the networks see them, `(N, C, s, s)` in [-1, 1]."""
        side = side_after(layers_for(self.size))
        return signed(functional.interpolate(images, size=side, mode="bilinear", align_corners=False, antialias=True))

    def _codes(self, count: int) -> Tensor:
        """Even in the cube, `(count, d)`."""
        return 2 * torch.rand(count, self.latent_dim) - 1

    def _networks(self) -> tuple[nn.Module, ...]:
        return (
            self.encoder_,
            self.decoder_,
            self.latent_discriminator_,
            self.visual_discriminator_,
            self.classifier_,
        )

    def _train_alone(self, *networks: nn.Module) -> None:
        for network in self._networks():
            network.train(network in networks)


def mine(start: Tensor, decoder: nn.Module, classifier: nn.Module) -> Tensor:
    """Informative negative mining: descends on BCE(C(De(tanh mu)), 0), each mu by its own loss.

    Args:
        start: mu, `(N, d)`, any numbers.
        decoder: De, of codes to images; in evaluation mode, as the classifier: codes do not depend on each other then.
        classifier: C, of images to logits `(N, 1)`.

    Returns:
        tanh mu after the last step, codes `(N, d)` in the cube.
    """
    mu = start
    for _ in range(MINING_STEPS):
        with torch.enable_grad():
            mu = mu.detach().requires_grad_()
            loss = len(mu) * adversarial_loss(classifier(decoder(torch.tanh(mu))), real=False)
            (gradient,) = torch.autograd.grad(loss, mu)
        mu = mu.detach() - MINING_LENGTH * gradient
    return torch.tanh(mu)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Half the sum of the cross-entropies of logits that ought to be 1 and of those that ought to be 0; a scalar."""
    return (adversarial_loss(real, real=True) + adversarial_loss(fake, real=False)) / 2


def layers_for(size: int) -> int:
    """Convolutions after which the largest side of at most `size` that ends at 1 is 1."""
    layers = 0
    while side_after(layers + 1) <= size:
        layers += 1
    return layers


def side_after(layers: int) -> int:
    """What so many transposed convolutions make of 1: 5, 13, 29, 61, 125, 253."""
    side = 1
    for _ in range(layers):
        side = 2 * side + _KERNEL - 2
    return side


class LatentDiscriminator(nn.Sequential):
    """D_l: fully connected layers, from codes `(N, d)` to logits `(N, 1)`."""

    def __init__(self, latent_dim: int) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise((latent_dim, *_LATENT_WIDTHS)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers, nn.Linear(_LATENT_WIDTHS[-1], 1))


def narrowing(channels: int, layers: int, width: int, outputs: int) -> nn.Sequential:
    """Convolutions of stride 2 without padding, from images `(N, channels, s, s)` to `(N, outputs)`.

    Args:
        channels: of the images.
        layers: so many, that s becomes 1.
        width: channels after the first, doubled by the second and the third.
        outputs: numbers for an image.
    """
    parts: list[nn.Module] = []
    for level, after in enumerate(_widths(layers, width)):
        parts.append(nn.Conv2d(channels, after, _KERNEL, 2))
        parts += [nn.BatchNorm2d(after)] if level else []
        parts.append(nn.LeakyReLU(0.2))
        channels = after
    return nn.Sequential(*parts, nn.Conv2d(channels, outputs, _KERNEL), nn.Flatten())


def widening(inputs: int, layers: int, width: int, channels: int) -> nn.Sequential:
    """`narrowing` in reverse, from codes `(N, inputs)` to images `(N, channels, s, s)` in [-1, 1].

    Dropout is in the layer before the last, the third of the source's four.
    """
    parts: list[nn.Module] = [nn.Unflatten(1, (inputs, 1, 1))]
    widths = _widths(layers, width)[::-1]
    for before, after in pairwise((inputs, *widths)):
        parts += [nn.ConvTranspose2d(before, after, _KERNEL, 2), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*parts, nn.Dropout(0.5), nn.ConvTranspose2d(widths[-1], channels, _KERNEL, 2), nn.Tanh())


def _widths(layers: int, width: int) -> list[int]:
    return [width * min(4, 2**level) for level in range(layers - 1)]


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(layer.weight, std=_INITIAL_DEVIATION)
