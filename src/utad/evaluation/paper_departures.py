"""What a preset of the paper leaves out of the paper where settings change it, for the tables that show it."""

from __future__ import annotations

from utad.baselines.departures import Departures
from utad.config import Config

PAPERS = ("paper", "paper-small")
BACKBONE = "vgg19"


def paper_departures(config: Config) -> Departures | None:
    """What stands beside UTAD in a table where Eq. 8 compares features of another network than the paper's.

    What the presets themselves read otherwise than the paper is in docs/adr.

    Args:
        config: of the run.

    Returns:
        None for other presets, for the paper's own network, and where no features are compared.
    """
    backbone, scoring = config.backbone, config.scoring
    if config.preset not in PAPERS or (scoring.method, scoring.space) != ("paper", "features"):
        return None
    if backbone.name == BACKBONE:
        return None
    stages = ", ".join(map(str, backbone.stages))
    return Departures(
        source="Liu, Zhuang and Lu, arXiv:2103.11671, 2021",
        changes=(f"Eq. 8 compares features of {backbone.name}, stages {stages}, instead of VGG-19's",),
        source_steps="200 epochs of 4 images for IE-Net, not stated for Expert-Net",
        steps=_steps(config),
        label=backbone.name,
    )


def _steps(config: Config) -> str:
    stages = {"IE-Net": config.ie_training, "Expert-Net": config.expert_training}
    lengths = (
        f"{training.steps} steps" if training.epochs is None else f"{training.epochs} epochs"
        for training in stages.values()
    )
    return " and ".join(
        f"{length} of {training.batch_size} images for {name}"
        for length, (name, training) in zip(lengths, stages.items(), strict=True)
    )
