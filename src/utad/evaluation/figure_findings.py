"""What fitted methods say of the images that figures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from utad.baselines.baseline import MAX_PIXELS
from utad.data.ground_truth import is_anomalous, truth_of
from utad.data.reading import load_image
from utad.data.tensors import to_tensor, to_uint8
from utad.detector import UTAD
from utad.errors import checked
from utad.evaluation.chosen_images import Choice, ScoredImage, choose
from utad.evaluation.evaluate import labelled
from utad.evaluation.methods import Method, predictor_of
from utad.interpret.latent_map import CodedImage
from utad.interpret.marks import NORMAL
from utad.interpret.network_pictures import drawn_reconstructions, latent_means
from utad.interpret.paper_figures import DRAWN
from utad.interpret.shown_image import Finding, Subject
from utad.types import Category, Image, Sample

MOST_POINTS = 500
"""Images of a latent map: more hide each other, and t-SNE takes long."""

_CODED = 8
"""Images whose latents are computed together."""


@runtime_checkable
class Restores(Protocol):
    """A compared method that restores images."""

    size: int
    channels_: int | None

    def reconstruct(self, images: Tensor) -> Tensor:
        """x_hat of images x, `(N, C, S, S)` in [0, 1]."""


@dataclass(frozen=True)
class Reference:
    """What the default method says of a category, which the other methods are shown beside.

    Attributes:
        choice: the images that figures show.
        findings: of these.
        coded: the images of the latent map.
    """

    choice: Choice
    findings: tuple[Finding, ...]
    coded: tuple[CodedImage, ...]


def reference_of(detector: UTAD, category: Category, count: int) -> Reference:
    """Scores all labelled test images, chooses from them, and looks closer at those that were chosen.

    Args:
        detector: fitted.
        category: with labelled test images.
        count: of images with defects that are shown.

    Raises:
        DataError: if no test image has a label.
        ImageReadError: naming a test image that cannot be read.
    """
    scored: list[ScoredImage] = []
    features: list[NDArray[np.float32]] = []
    for sample, outcome in detector.predict_samples(labelled(category)):
        prediction = checked(outcome)
        anomalous = is_anomalous(sample, prediction.inside)
        scored.append(
            ScoredImage(sample, (sample.defect or "anomalous") if anomalous else NORMAL, prediction.pred_score)
        )
        features.append(prediction.code)
    step = -(-len(scored) // MOST_POINTS)
    choice = choose(scored, count)
    return Reference(
        choice,
        findings_of(detector, [one.sample for one in choice.images], seed=detector.config.seed),
        _coded(detector, scored[::step], features[::step]),
    )


def subjects_of(choice: Choice, *, max_pixels: int) -> tuple[Subject, ...]:
    """The images of a choice with their ground truth.

    Raises:
        DataError: if a mask does not fit its image.
        ImageReadError: if an image cannot be read any more.
    """
    subjects = []
    for one in choice.images:
        image = load_image(one.sample, max_pixels=max_pixels)
        truth = truth_of(one.sample, (image.shape[0], image.shape[1]), None)
        subjects.append(Subject.of(one.sample.name, one.kind, image, truth.mask))
    return tuple(subjects)


def findings_of(method: Method, samples: Sequence[Sample], *, seed: int) -> tuple[Finding, ...]:
    """What a fitted method makes of each sample.

    Args:
        method: UTAD or another.
        samples: to be scored.
        seed: of details that are drawn, where the method has none of its own.

    Raises:
        ImageReadError: naming an image that cannot be read.
    """
    found = []
    for sample, outcome in predictor_of(method).predict_samples(samples):
        image = load_image(sample, max_pixels=MAX_PIXELS)
        found.append(Finding.of(checked(outcome), _further(method, image, seed)))
    return tuple(found)


def _further(method: Method, image: Image, seed: int) -> Mapping[str, NDArray[np.uint8]]:
    """Restored images that the predictions of a method lack."""
    if isinstance(method, UTAD):
        network = method.network_
        assert network is not None
        if method.config.expert_net.guidance:
            return {}
        letterbox = method.letterbox
        if letterbox is None:
            return drawn_reconstructions(network, image, seed=seed, names=DRAWN)
        drawn = drawn_reconstructions(network, letterbox.framed(image), seed=seed, names=DRAWN)
        size = (image.shape[0], image.shape[1])
        return {name: letterbox.unframed(picture, size) for name, picture in drawn.items()}
    if not isinstance(method, Restores):
        return {}
    assert method.channels_ is not None
    with torch.inference_mode():
        restored = method.reconstruct(to_tensor(image, method.size, method.channels_)[None])
    return {"reconstruction": to_uint8(restored[0], (image.shape[0], image.shape[1]))}


def _coded(
    detector: UTAD, scored: Sequence[ScoredImage], features: Sequence[NDArray[np.float32]]
) -> tuple[CodedImage, ...]:
    network = detector.network_
    assert network is not None
    means: list[NDArray[np.float32]] = []
    for start in range(0, len(scored), _CODED):
        images = [load_image(one.sample, max_pixels=MAX_PIXELS) for one in scored[start : start + _CODED]]
        if detector.letterbox is not None:
            images = [detector.letterbox.framed(image) for image in images]
        means.extend(latent_means(network, images))
    coded = []
    for one, mu, feature in zip(scored, means, features, strict=True):
        codes = {"mu": mu, **({"features": feature} if len(feature) else {})}
        coded.append(CodedImage(one.sample.name, one.kind, one.score, codes))
    return tuple(coded)
