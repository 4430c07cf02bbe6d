"""Networks, images and runs small enough to train within a test."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from tests import fabricate
from utad.config import Config, load_config
from utad.models.build import build_two_stage
from utad.models.two_stage import TwoStage

SETTINGS = (
    "image.size=32",
    "image.channels=1",
    "ie_net.filters=[2, 2, 2]",
    "ie_net.pools=[2, 2, 2]",
    "ie_net.decoder_filters=[2, 2]",
    "ie_net.upsamples=[2, 2]",
    "ie_net.latent_dim=4",
    "ie_net.hidden_dim=8",
    "ie_net.critic_dim=8",
    "expert_net.width=4",
    "expert_net.residual_blocks=1",
    "expert_net.hidden_dim=8",
    "ie_training.steps=6",
    "calibration.synthetic_anomalies=20",
    "ie_training.batch_size=4",
    "ie_training.checkpoint_every=2",
    "feature_training.steps=6",
    "feature_training.examples=8",
    "expert_training.steps=6",
    "expert_training.batch_size=4",
    "expert_training.checkpoint_every=2",
)
"""Of a run of 6 steps a stage with 3 checkpoints each."""


IE_TERMS = {
    *("loss", "reconstruction", "restoration", "local_information", "global_information", "prior"),
    *("mu_std", "sigma_mean"),
}
EXPERT_TERMS = {"loss", "image", "impression", "detail", "detail_std"}
"""What `metrics.csv` holds of each step."""


def config(*overrides: str, preset: str = "fast", seed: int = 0) -> Config:
    """The tiny config with overrides on top."""
    return load_config(preset, overrides=(*SETTINGS, *overrides), seed=seed)


def images(count: int = 6, *, size: int = 32) -> Tensor:
    """Grey pictures that resemble each other, `(count, 1, size, size)`."""
    pictures = [fabricate.picture(size, size, seed=index, grey=True)[..., 0] for index in range(count)]
    return torch.stack([torch.from_numpy(picture) for picture in pictures])[:, None] / 255


def model(settings: Config, channels: int = 1) -> TwoStage:
    """An untrained network, the same one each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_two_stage(settings, channels)


def same_weights(first: TwoStage, second: TwoStage) -> bool:
    """Whether every weight and buffer is equal bit for bit."""
    others = second.state_dict()
    return all(torch.equal(tensor, others[name]) for name, tensor in first.state_dict().items())


def rows(path: Path) -> Iterator[tuple[str, int, str, float]]:
    """The rows of a `metrics.csv` below its header."""
    with path.open(newline="", encoding="utf-8") as file:
        for stage, step, term, value in list(csv.reader(file))[1:]:
            yield stage, int(step), term, float(value)


def curve(path: Path, stage: str, term: str) -> dict[int, float]:
    """The values of one term by step."""
    return {step: value for of_stage, step, of_term, value in rows(path) if (of_stage, of_term) == (stage, term)}
