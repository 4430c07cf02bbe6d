"""The parts of scoring and of a training step, each as an action of its own and with its arithmetic."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from measuring.subjects import camera_images
from measuring.timing import (
    Action,
    alternate,
    matrix_product,
    multiply_add_rate,
    multiply_adds,
    summary,
    with_floor,
)
from utad import UTAD
from utad.config import Config, load_config
from utad.data.reading import load_image
from utad.data.tensors import to_tensor
from utad.detector import AT_ONCE
from utad.models.build import build_critics, build_two_stage
from utad.prediction import to_prediction
from utad.scoring.features import StageFeatures
from utad.scoring.measurement import CalibratedMeasurement
from utad.scoring.network import DetectorNetwork
from utad.scoring.terms import term_vectors
from utad.training.batches import StepBatches
from utad.training.expert_stage import ExpertStage
from utad.training.ie_stage import IEStage
from utad.training.precision import training_precision
from utad.training.stage import Stage
from utad.types import Sample

WHOLE = "whole"
TRAINING_IMAGES = 32


def count_scoring(model: str, files: list[str]) -> dict[str, int]:
    """Multiply-adds an image of every part of scoring, as the networks were trained.

    In the form that scores, kernels are surrounded by zeros where that takes no longer; those are not counted. Called
    in a process of its own, since counting changes how many cores torch computes on.

    Args:
        model: a model file.
        files: of the images.
    """
    detector = UTAD.load(model)
    assert detector.network_ is not None
    actions = scoring_actions(detector, detector.network_, [Path(file) for file in files])
    return {name: multiply_adds(action) // len(files) for name, action in actions.items()}


def time_scoring(model: str, files: list[str], rounds: int, counts: dict[str, int]) -> dict[str, Any]:
    """Times every part of scoring one batch of the given files, and the whole.

    Args:
        model: a model file.
        files: of the images; their number is the batch size.
        rounds: timed repetitions.
        counts: what `count_scoring` gives.

    Returns:
        `threads`, `multiply_adds_per_second` and `parts`, per image.
    """
    detector = UTAD.load(model)
    assert detector.network_ is not None
    actions = scoring_actions(detector, detector.network_.for_scoring(), [Path(file) for file in files])
    images = len(files)
    samples = [Sample(file, load_image(Sample(file, Path(file)))) for file in files]
    actions[WHOLE] = _inference(lambda: list(detector.predict_samples(samples, batch_size=images)))
    return _timed(actions, counts, rounds, images=images)


def scoring_actions(detector: UTAD, network: DetectorNetwork, files: list[Path]) -> dict[str, Action]:
    """One action a part, on inputs that were made beforehand; `whole` is everything between image and map.

    Terms are within the measurement, which adds their scaling, enlarging and averaging. The pictures are made when
    somebody looks at them, and x_hat with them where no term compares it.

    Args:
        detector: fitted.
        network: of the detector, as it was trained or in the form that scores.
        files: of the images.
    """
    stored = [Sample(file.name, file) for file in files]
    images = [load_image(sample) for sample in stored]
    side = detector.config.image.size

    def resize() -> Tensor:
        return torch.stack([to_tensor(image, side, network.channels) for image in images])

    # The detector has the networks look at a few images at a time; so do the parts.
    batches = torch.split(resize(), AT_ONCE)
    with torch.inference_mode():
        detections = [network(batch) for batch in batches]
        restored = [network.restore(batch) for batch in batches]
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    stages, measurement = network.two_stage, network.measurement
    parts: dict[str, Action] = {
        "decoding": lambda: [load_image(sample) for sample in stored],
        "resizing": resize,
        "IE-Net": lambda: [stages.ie_net(batch) for batch in batches],
        "Expert-Net, m_hat": lambda: [stages.naive(images.image, images.impression) for images, _ in restored],
        "Expert-Net, x_hat": lambda: [stages.reconstruct(images.image, images.impression) for images, _ in restored],
        f"backbone, {len(measurement.needed)} images stacked": lambda: [
            network.features(images)[0] for images, _ in restored
        ],
        "backbone, one image": lambda: [network.backbone(batch) for batch in batches],
        **_term_actions(network, [features for _, features in restored]),
        "measurement with all terms": lambda: [measurement(features, side) for _, features in restored],
        "post-processing": lambda: [
            to_prediction(detection, stages, sizes[AT_ONCE * place : AT_ONCE * (place + 1)], detector.threshold)
            for place, detection in enumerate(detections)
        ],
        "pictures, with the image left to restore": lambda: [
            (prediction.impression, prediction.naive_impression, prediction.reconstruction)
            for place, detection in enumerate(detections)
            for prediction in to_prediction(
                detection, stages, sizes[AT_ONCE * place : AT_ONCE * (place + 1)], detector.threshold
            )
        ],
        WHOLE: lambda: [network(batch) for batch in batches],
    }
    return {name: _inference(action) for name, action in parts.items()}


def count_training(preset: str) -> dict[str, int]:
    """Multiply-adds an image of each part of training; called in a process of its own, as `count_scoring`."""
    config = load_config(preset)
    with _without_trainer():
        actions = training_actions(config)
        return {name: multiply_adds(action) // config.ie_training.batch_size for name, action in actions.items()}


def time_training(preset: str, rounds: int, counts: dict[str, int]) -> dict[str, Any]:
    """Times the preparation of a batch and an optimiser step of both stages, as Lightning makes them.

    Args:
        preset: whose networks are trained.
        rounds: timed repetitions.
        counts: what `count_training` gives.

    Returns:
        As `time_scoring`, with the precision of training.
    """
    config = load_config(preset)
    precision = training_precision(config)
    actions = training_actions(config)
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    with _without_trainer():
        timed = _timed(actions, counts, rounds, images=config.ie_training.batch_size, dtype=dtype)
    return {**timed, "precision": precision, "batch": config.ie_training.batch_size}


@contextmanager
def _without_trainer() -> Iterator[None]:
    with warnings.catch_warnings():
        # A stage logs its terms to its trainer; here it has none.
        warnings.filterwarnings("ignore", message=".*self.log.*")
        yield


def training_actions(config: Config) -> dict[str, Action]:
    """Batch preparation, and a step of each stage."""
    side = config.image.size
    images = torch.stack([to_tensor(image, side, 3) for image in camera_images(TRAINING_IMAGES)])
    first, second = build_two_stage(config, 3), build_two_stage(config, 3)
    shared = {"images": images, "augmentation": config.augment, "seed": config.seed}
    ie_stage = IEStage(first.ie_net, build_critics(config.ie_net), settings=config.ie_training, **shared)
    expert_stage = ExpertStage(second.ie_net, second.expert_net, settings=config.expert_training, **shared)
    batches = StepBatches(
        images,
        config.augment,
        batch_size=config.ie_training.batch_size,
        seed=config.seed,
        stage="ie_net",
        first=0,
        last=1,
    )
    return {
        "batch preparation": lambda: batches[0],
        "stage 1, one step": _step(ie_stage, batches[0], training_precision(config)),
        "stage 2, one step": _step(expert_stage, batches[0], training_precision(config)),
    }


def _step(stage: Stage, batch: Tensor, precision: str) -> Action:
    configured = stage.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    stage.train()

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss: Any = stage.training_step(batch, 0)  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _timed(
    actions: dict[str, Action], counts: dict[str, int], rounds: int, *, images: int, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    seconds = alternate({**actions, "matrix product": matrix_product(dtype)}, rounds)
    rate = multiply_add_rate(seconds.pop("matrix product"))
    return {
        "threads": torch.get_num_threads(),
        "multiply_adds_per_second": round(rate),
        "parts": {
            name: with_floor(summary(values, images=images), counts[name], rate) for name, values in seconds.items()
        },
    }


def _term_actions(network: DetectorNetwork, batches: list[tuple[StageFeatures, ...]]) -> dict[str, Action]:
    measurement = network.measurement
    if not isinstance(measurement, CalibratedMeasurement):
        return {}

    def action(name: str) -> Action:
        return lambda: [measurement.terms[name](term_vectors(name, features)) for features in batches]

    return {f"term {name}": action(name) for name in measurement.vector_names}


def _inference(action: Action) -> Action:
    def run() -> object:
        with torch.inference_mode():
            return action()

    return run
