"""What a preset of the paper leaves out of the paper where settings change it, for the tables that show it."""

from __future__ import annotations

from utad.baselines.departures import Departures
from utad.config import Config

PAPERS = ("paper", "paper-small")
BACKBONE = "vgg19"
EPOCHS = 200
"""That the paper trains for."""
OTHER_LENGTH = "other schedule"


def paper_departures(config: Config) -> Departures | None:
    """What stands beside UTAD in a table where its settings are not those of the paper.

    What the presets themselves read otherwise than the paper is in docs/adr.

    Args:
        config: of the run.

    Returns:
        None for other presets, and where network and length of training are the paper's. No network is named where no
        features are compared.
    """
    if config.preset not in PAPERS:
        return None
    changes, labels = [], []
    backbone, scoring = config.backbone, config.scoring
    if (scoring.method, scoring.space) == ("paper", "features") and backbone.name != BACKBONE:
        stages = ", ".join(map(str, backbone.stages))
        changes.append(f"Eq. 8 compares features of {backbone.name}, stages {stages}, instead of VGG-19's")
        labels.append(backbone.name)
    stages_of_training = {"IE-Net": config.ie_training, "Expert-Net": config.expert_training}
    shorter = [name for name, training in stages_of_training.items() if training.epochs != EPOCHS]
    if shorter:
        changes.append(f"{' and '.join(shorter)} trained for another time than the paper's {EPOCHS} epochs")
        labels.append(OTHER_LENGTH)
    if not changes:
        return None
    return Departures(
        source="Liu, Zhuang and Lu, arXiv:2103.11671, 2021",
        changes=tuple(changes),
        source_steps=f"{EPOCHS} epochs of 4 images for IE-Net, not stated for Expert-Net",
        steps=_steps(config),
        label=", ".join(labels),
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
