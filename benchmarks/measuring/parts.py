"""The parts of scoring and of a training step, each as an action of its own and with its arithmetic."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from measuring.subjects import camera_images
from measuring.timing import Action, alternate, gemm, multiply_add_rate, multiply_adds, summary, with_roofline
from utad import UTAD
from utad.config import Config, load_config
from utad.data.reading import load_image
from utad.data.tensors import to_tensor
from utad.models.build import build_critics, build_two_stage
from utad.models.two_stage import Features, ImageName, Images
from utad.scoring import torch_engine
from utad.scoring.measurement import CalibratedMeasurement, Measurement
from utad.scoring.network import DetectorNetwork
from utad.scoring.torch_engine import MAX_BATCH
from utad.training.batches import StepBatches
from utad.training.expert_stage import ExpertStage
from utad.training.ie_stage import IEStage
from utad.training.precision import training_precision
from utad.training.stage import Stage
from utad.types import EngineResult, Sample

WHOLE = "whole"
TRAINING_IMAGES = 32
RESTORED: tuple[tuple[str, ImageName], ...] = (("m_hat", "naive_impression"), ("x_hat", "reconstruction"))


def time_scoring(model: str, files: list[str], rounds: int) -> dict[str, Any]:
    """Times every part of scoring one batch of the given files in PyTorch, and the whole.

    Args:
        model: a model file or the folder of a run.
        files: of the images; their number is the batch size.
        rounds: timed repetitions.

    Returns:
        `threads`, `multiply_adds_per_second` and `parts`, per image.
    """
    return _timed(scoring_actions(UTAD.load(model), [Path(file) for file in files]), rounds, images=len(files))


def scoring_actions(detector: UTAD, files: list[Path]) -> dict[str, Action]:
    """One action per part, on inputs that were made beforehand; `whole` is everything between image and map.

    Components are within the measurement, which adds scores, enlarging and averaging. Restored images are brought to
    the size of the image on demand, and x_hat is restored with them where no component compares it.

    Args:
        detector: fitted.
        files: of the images.
    """
    network = detector.network_
    assert network is not None
    stages, measurement, side = network.two_stage, network.measurement, network.size
    stored = [Sample(file.name, file) for file in files]
    images = [load_image(sample) for sample in stored]
    in_memory = [Sample(file.name, image) for file, image in zip(files, images, strict=True)]

    def resize() -> Tensor:
        return torch.stack([to_tensor(image, side, network.channels) for image in images])

    # The engine has the networks look at a few images at a time; so do the parts.
    batches = torch.split(resize(), MAX_BATCH)
    with torch.inference_mode():
        detections = [network(batch) for batch in batches]
        restored: list[Images] = [stages(batch) for batch in batches]
        features = [network.features(batch) for batch in restored]

    def restore(name: ImageName) -> list[dict[ImageName, Tensor]]:
        return [stages.restored(batch["image"], batch["impression"], (name,)) for batch in restored]

    def post_process() -> list[EngineResult]:
        return [
            torch_engine._result(detections[index // MAX_BATCH], network, index % MAX_BATCH, image.shape[:2])
            for index, image in enumerate(images)
        ]

    parts: dict[str, Action] = {
        "decoding": lambda: [load_image(sample) for sample in stored],
        "resizing": resize,
        "IE-Net": lambda: [stages.ie_net(batch) for batch in batches],
        **{f"Expert-Net, {symbol}": partial(restore, name) for symbol, name in RESTORED},
        f"backbone, {len(measurement.compared)} images in one batch": lambda: [
            network.backbone(network.stack(batch)) for batch in restored
        ],
        "backbone, one image": lambda: [network.backbone(batch) for batch in batches],
        **_impression_actions(network, features),
        **_component_actions(measurement, features),
        "measurement, all components": lambda: [measurement(batch, side) for batch in features],
        "post-processing": post_process,
        "restored images, on demand": lambda: [dict(result.pictures) for result in post_process()],
        WHOLE: lambda: list(detector.predict_samples(in_memory, batch_size=len(files))),
    }
    return {name: _inference(action) for name, action in parts.items()}


def _impression_actions(network: DetectorNetwork, features: list[list[Features]]) -> dict[str, Action]:
    if network.feature_impression is None:
        return {}
    restore, joined = network.feature_impression, [network.joined_features(batch) for batch in features]
    return {"feature impression": lambda: [restore(batch) for batch in joined]}


def _component_actions(measurement: Measurement, features: list[list[Features]]) -> dict[str, Action]:
    if not isinstance(measurement, CalibratedMeasurement):
        return {}
    return {
        f"component {name}": partial(_of_each, component, features)
        for name, component in measurement.components.items()
    }


def _of_each(component: Callable[[list[Features]], Tensor], features: list[list[Features]]) -> list[Tensor]:
    return [component(batch) for batch in features]


def _inference(action: Action) -> Action:
    def run() -> object:
        with torch.inference_mode():
            return action()

    return run


def time_training(preset: str, rounds: int) -> dict[str, Any]:
    """Times the preparation of a batch and an optimiser step of both stages, as Lightning makes them.

    Args:
        preset: whose networks are trained.
        rounds: timed repetitions.

    Returns:
        As `time_scoring`, with the precision of training.
    """
    config = load_config(preset)
    precision, batch = training_precision(config), config.ie_training.batch_size
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    with _without_trainer():
        timed = _timed(training_actions(config), rounds, images=batch, dtype=dtype)
    return {**timed, "precision": precision, "batch": batch}


@contextmanager
def _without_trainer() -> Iterator[None]:
    with warnings.catch_warnings():
        # A stage logs its losses to its trainer; here it has none.
        warnings.filterwarnings("ignore", message=".*self.log.*")
        yield


def training_actions(config: Config) -> dict[str, Action]:
    """Batch preparation, and a step of each stage."""
    side = config.image.size
    images = torch.stack([to_tensor(image, side, 3) for image in camera_images(TRAINING_IMAGES)])
    first, second = build_two_stage(config, 3), build_two_stage(config, 3)
    ie_stage = IEStage(
        first.ie_net,
        build_critics(config.ie_net),
        images=images,
        augmentation=config.augment,
        settings=config.ie_training,
        seed=config.seed,
    )
    expert_stage = ExpertStage(
        second.ie_net,
        second.expert_net,
        images=images,
        augmentation=config.augment,
        settings=config.expert_training,
        seed=config.seed,
    )
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
            loss: Any = stage.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _timed(
    actions: dict[str, Action], rounds: int, *, images: int, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    counts = {name: multiply_adds(action) // images for name, action in actions.items()}
    seconds = alternate({**actions, "GEMM": gemm(dtype)}, rounds)
    rate = multiply_add_rate(seconds.pop("GEMM"))
    return {
        "threads": torch.get_num_threads(),
        "multiply_adds_per_second": round(rate),
        "parts": {
            name: with_roofline(summary(values, images=images), counts[name], rate) for name, values in seconds.items()
        },
    }
