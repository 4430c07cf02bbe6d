"""From raw to normalised scores, and the threshold, fitted on normal images alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from utad.errors import InputError
from utad.scoring.fitted_module import FittedModule
from utad.scoring.limits import upper_limit

_MAP_SAMPLES = 4_000_000
_LEAST_VALUES = 4


@dataclass(frozen=True)
class Normalisation:
    """normalised = 0.5 * (raw - location) / (limit - location): monotone, not clipped.

    Attributes:
        location: the raw value of a typical normal image (pixel), 0 when normalised.
        limit: the raw value that the chosen rate of normal images (pixels) exceeds, 0.5 when normalised.
    """

    location: float
    limit: float

    @property
    def slope(self) -> float:
        """By how much the normalised value grows with the raw one."""
        return 0.5 / (self.limit - self.location)

    def apply(self, raw: Tensor) -> Tensor:
        """Raw scores of any shape to normalised ones."""
        return 0.5 * (raw - self.location) / (self.limit - self.location)

    def shares(self, parts: Mapping[str, Tensor], score: Tensor) -> dict[str, Tensor]:
        """What each part of a raw score has of the normalised one.

        Normalisation is linear, so a raw score that is a sum makes the normalised one a sum too, without any
        approximation. The location is divided evenly: a share is 0 where a part is what it is in a typical normal
        image, provided that all parts have one scale, as standardised ones do.

        Args:
            parts: by name, `(N,)` each, whose sum is the raw score but for rounding.
            score: `(N,)`, normalised.

        Returns:
            By the same names `(N,)` float64, below 0 where a part speaks for a normal image. They add up to `score`:
            what it was rounded by is divided evenly too.
        """
        if not parts:
            return {}
        factor, location = self.slope, self.location / len(parts)
        shares = {name: factor * (part.double() - location) for name, part in parts.items()}
        rounding = score.double() - torch.stack(list(shares.values())).sum(dim=0)
        return {name: share + rounding / len(parts) for name, share in shares.items()}


class ScoreNormalisation(FittedModule):
    """The normalisations of image scores and of pixels, as buffers, so that they travel in the model file.

    Attributes:
        image: location and limit of image scores, `(2,)`.
        pixel: the same of the values of maps.
        normal: raw scores of the normal images that `image` was fitted to, ascending, `(N,)` float64; N is 0 for a
            model of a format before 4.
    """

    image: Tensor
    pixel: Tensor
    normal: Tensor

    def __init__(self) -> None:
        super().__init__(("image", "pixel", "normal"))

    def fit(self, scores: Tensor, maps: Tensor, *, image_rate: float, pixel_rate: float) -> None:
        """Fits to normal images; the rates are of what lies above 0.5.

        Args:
            scores: raw, `(N,)`.
            maps: raw, `(N, S, S)`, or their values at the P pixels that count, `(N, P)`.
            image_rate: of images.
            pixel_rate: of pixels.
        """
        self.fit_images(scores, image_rate)
        self.pixel = _as_tensor(fit_normalisation(sampled_pixels(maps), pixel_rate))

    def fit_images(self, scores: Tensor, rate: float, *, least_spread_of: Normalisation | None = None) -> None:
        """Fits the normalisation of image scores to those of normal images `(N,)`, and keeps these.

        Args:
            scores: raw, of normal images.
            rate: of normal images above the limit.
            least_spread_of: as for `fit_normalisation`; where its spread is taken, the earlier scores are kept,
                moved to where the new images lie.
        """
        fitted = fit_normalisation(scores, rate, least_spread_of=least_spread_of)
        if least_spread_of is not None and fitted != fit_normalisation(scores, rate):
            kept = self.normal + (fitted.location - least_spread_of.location)
        else:
            kept = scores.detach().double().flatten().cpu().sort().values
        self.restore_images(fitted, kept.tolist())

    def restore_images(self, normalisation: Normalisation, normal: Sequence[float]) -> None:
        """Replaces the normalisation of image scores, and the scores of normal images `(N,)` that go with it."""
        self.image = _as_tensor(normalisation)
        self.normal = torch.tensor(normal, dtype=torch.float64)

    def of_image(self) -> Normalisation:
        """The normalisation of image scores."""
        self.require_fitted()
        return Normalisation(float(self.image[0]), float(self.image[1]))

    def of_pixel(self) -> Normalisation:
        """The normalisation of maps."""
        self.require_fitted()
        return Normalisation(float(self.pixel[0]), float(self.pixel[1]))


def sampled_pixels(maps: Tensor) -> Tensor:
    """A strided sample of all pixels: the same ones whatever the order of batches, bounded in memory."""
    pixels = maps.flatten()
    return pixels[:: max(1, len(pixels) // _MAP_SAMPLES)]


def fit_normalisation(raw: Tensor, rate: float, *, least_spread_of: Normalisation | None = None) -> Normalisation:
    """Fits to the raw scores of normal images that the detector did not learn from.

    Args:
        raw: `(N,)`, finite.
        rate: of normal scores above the limit, in (0, 1).
        least_spread_of: whose spread is kept where fewer than 4 values, or equal ones, tell nothing of it.

    Raises:
        InputError: if there are no scores or some are not finite.
    """
    if raw.numel() == 0 or not bool(torch.isfinite(raw).all()):
        raise InputError(f"expected at least one finite normal score, got {raw.numel()}, not all of them finite")
    values = raw.detach().double().flatten().cpu()
    location = float(values.median())
    limit = upper_limit(values.numpy(), rate)
    if least_spread_of is not None and (len(values) < _LEAST_VALUES or limit - location < _floor(location)):
        return Normalisation(location, location + least_spread_of.limit - least_spread_of.location)
    # Identical scores leave no spread to normalise by; the smallest step above them is a threshold still.
    spread = max(limit - location, _floor(location))
    return Normalisation(location, location + spread)


def _floor(location: float) -> float:
    return 1e-6 * max(1.0, abs(location))


def gap(of_trained: Tensor, of_held_out: Tensor) -> float:
    """How much higher the median of values `(L,)` of held-out images is than that of `(K,)` trained on, at least 0.

    Without images of both kinds there is no gap.
    """
    if len(of_trained) == 0 or len(of_held_out) == 0:
        return 0.0
    return max(0.0, float(of_held_out.median() - of_trained.median()))


def without_gap(scores: Tensor, trained_on: Tensor) -> Tensor:
    """Scores as if none of the images had trained the networks, which reproduce those that did a little better.

    Args:
        scores: `(N,)`, of all normal images.
        trained_on: bool `(N,)`, which of them trained the networks.

    Returns:
        The same, with the gap between the two groups added to those that were trained on.
    """
    return torch.where(trained_on, scores + gap(scores[trained_on], scores[~trained_on]), scores)


def _as_tensor(normalisation: Normalisation) -> Tensor:
    return torch.tensor([normalisation.location, normalisation.limit], dtype=torch.float64)
