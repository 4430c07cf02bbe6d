"""Training both stages, one after the other, interruptible at any time."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import Tensor

from utad.config import Config
from utad.data.working_region import WorkingRegion
from utad.errors import TrainingError
from utad.models.build import build_critics
from utad.models.feature_impression import FeatureImpression
from utad.models.migration import FORMAT_VERSION
from utad.models.two_stage import TwoStage
from utad.seeding import derived_seed
from utad.training.checkpoints import AtomicCheckpointIO, StageCheckpoint, check_identity, read_checkpoint
from utad.training.distributed import OneVoice, together
from utad.training.expert_stage import ExpertStage
from utad.training.feature_stage import FeatureStage
from utad.training.ie_stage import IEStage
from utad.training.lightning import quiet_lightning, stoppable
from utad.training.precision import training_precision
from utad.training.progress import MetricsFile, StageProgress
from utad.training.snapshots import Snapshots, snapshots_of
from utad.training.stage import Stage
from utad.training.stage_record import stage_record
from utad.training.trackers import POINTS, loggers_of, tracker_errors
from utad.training_record import StageRecord

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingReport:
    """What training came to.

    Attributes:
        seconds: by stage; of this process only, when resumed.
        final_terms: the named terms of the last step, by stage.
        records: how each stage went, what was done before resuming included; of those that had any steps.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    final_terms: dict[str, dict[str, float]] = field(default_factory=dict)
    records: list[StageRecord] = field(default_factory=list)


def train_two_stage(
    model: TwoStage,
    images: Tensor,
    config: Config,
    *,
    region: WorkingRegion | None = None,
    directory: Path | None = None,
    resume: bool = False,
    progress: bool = False,
    loggers: Sequence[str] = (),
) -> TrainingReport:
    """Trains IE-Net, freezes it, and trains Expert-Net, in place.

    Args:
        model: both stages; left in evaluation mode with gradients off.
        images: training images `(N, C, S, S)` float32 in [0, 1], N at least 2.
        config: the resolved config.
        region: what counts of the images; None for all of them.
        directory: where `metrics.csv` and `checkpoints/` go; None keeps nothing.
        resume: goes on from the checkpoints in `directory`, if there are any.
        progress: shows a progress bar with the loss, instead of lines in the log.
        loggers: the trackers that get the losses too, some of `utad.training.trackers.TRACKERS`.

    Raises:
        TrainingError: if there are fewer than 2 images, a checkpoint does not belong to this run, or a tracker fails.
        NonFiniteLossError: if a loss or a weight is not finite.
    """
    if len(images) < 2:
        raise TrainingError(f"training needs at least 2 normal images, got {len(images)}")
    with ExitStack() as stack:
        folder = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="utad-")))
        identity = _identity(images, stage_settings(config))
        run = _Run(config, identity, folder, resume=resume, progress=progress, loggers=loggers)
        return _train(model, images, region, run)


def _train(model: TwoStage, images: Tensor, region: WorkingRegion | None, run: _Run) -> TrainingReport:
    config = run.config
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "critics"))
        critics = build_critics(config.ie_net)
    report = TrainingReport()
    ie_stage = IEStage(
        model.ie_net,
        critics,
        images=images,
        augmentation=config.augment,
        settings=config.ie_training,
        seed=config.seed,
        region=region,
    )
    run.stage(ie_stage, report)
    expert_stage = ExpertStage(
        model.ie_net,
        model.expert_net,
        images=images,
        augmentation=config.augment,
        settings=config.expert_training,
        seed=config.seed,
        region=region,
    )
    run.stage(expert_stage, report)
    model.eval().requires_grad_(requires_grad=False)
    return report


def train_feature_impression(
    network: FeatureImpression,
    images: Tensor,
    config: Config,
    *,
    normal: Tensor,
    anomalous: Tensor,
    name: str = "feature_net",
    positions: Tensor | None = None,
    directory: Path | None = None,
    resume: bool = False,
    progress: bool = False,
    loggers: Sequence[str] = (),
) -> TrainingReport:
    """Trains the feature impression, in place, as `train_two_stage` does the stages.

    Args:
        network: left in evaluation mode with gradients off.
        images: that the features are of, to which a checkpoint belongs.
        config: the resolved config.
        normal: features of normal images, `(K, C, g, g)`, K at least 2.
        anomalous: features of the same images with a synthetic anomaly each.
        name: of its checkpoint, and in `metrics.csv`.
        positions: bool `(g, g)`, those that it learns from; None for all.
        directory: where `metrics.csv` and `checkpoints/` go; None keeps nothing.
        resume: goes on from the checkpoint in `directory`, if there is one.
        progress: shows a progress bar with the loss.
        loggers: as for `train_two_stage`.

    Raises:
        TrainingError: if the checkpoint does not belong to this run, or a tracker fails.
        NonFiniteLossError: if the loss or a weight is not finite.
    """
    network.fit_scale(normal.float(), positions)
    stage = FeatureStage(
        network,
        normal=normal,
        anomalous=anomalous,
        name=name,
        settings=config.feature_training,
        seed=config.seed,
        positions=positions,
    )
    report = TrainingReport()
    with ExitStack() as stack:
        folder = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="utad-")))
        identity = _identity(images, feature_settings(config))
        run = _Run(config, identity, folder, resume=resume, progress=progress, loggers=loggers)
        run.stage(stage, report)
    network.eval().requires_grad_(requires_grad=False)
    return report


@dataclass(frozen=True)
class _Run:
    config: Config
    identity: dict[str, str]
    directory: Path
    resume: bool
    progress: bool
    loggers: Sequence[str]

    def stage(self, stage: Stage, report: TrainingReport) -> None:
        """Trains one stage, or takes it from its checkpoint as far as that goes."""
        if stage.total_steps == 0:
            report.final_terms[stage.name], report.seconds[stage.name] = {}, 0.0
            return
        path = self.directory / "checkpoints" / f"{stage.name}.ckpt"
        start, checkpoint, first = time.perf_counter(), None, 0
        snapshots = self._snapshots(stage)
        if self.resume and path.is_file():
            state = read_checkpoint(path)
            check_identity(state, self.identity, path)
            checkpoint, first = path, int(state["global_step"])
            _LOGGER.info("%s goes on from step %d of %d", stage.name, first, stage.total_steps)
            if first >= stage.total_steps:
                stage.load_state_dict(state["state_dict"])
                _check_weights(stage)
                report.final_terms[stage.name], report.seconds[stage.name] = {}, 0.0
                report.records.append(self._record(stage, snapshots_of(state) if snapshots is not None else None))
                return
        loggers = loggers_of(self.loggers, self.directory, self.config, stage=stage.name, first=first)
        with quiet_lightning(), stoppable(), tracker_errors(self.loggers), together():
            trainer = self._trainer(stage, path, snapshots, loggers)
            trainer.fit(stage, ckpt_path=checkpoint, weights_only=True)
        _check_weights(stage)
        report.seconds[stage.name] = time.perf_counter() - start
        # Not the stage's own record: with several processes it stays in those.
        report.final_terms[stage.name] = {name: float(value) for name, value in trainer.callback_metrics.items()}
        taken = snapshots.taken if snapshots is not None else None
        if snapshots is not None and self.config.devices > 1:
            taken = snapshots_of(read_checkpoint(path))  # those taken stay in the process that took them
        report.records.append(self._record(stage, taken))

    def _snapshots(self, stage: Stage) -> Snapshots | None:
        if not stage.shows or self.config.explain.privacy:
            return None
        return Snapshots(stage.examples(), stage.total_steps)

    def _record(self, stage: Stage, taken: dict[int, Tensor] | None) -> StageRecord:
        return stage_record(stage, self.directory / "metrics.csv", taken)

    def _trainer(
        self, stage: Stage, checkpoint: Path, snapshots: Snapshots | None, loggers: list[Logger]
    ) -> pl.Trainer:
        return pl.Trainer(
            accelerator=self.config.accelerator,
            devices=self.config.devices,
            strategy="ddp_spawn" if self.config.devices > 1 else "auto",
            precision=training_precision(self.config),
            max_steps=stage.total_steps,
            max_epochs=-1,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            gradient_clip_val=stage.settings.gradient_clip or None,
            callbacks=[
                *([OneVoice()] if self.config.devices > 1 else []),
                # The rows first: those of a checkpoint that was not written are dropped on resuming.
                MetricsFile(self.directory / "metrics.csv"),
                *([snapshots] if snapshots is not None else []),
                StageCheckpoint(checkpoint, self.identity),
                StageProgress(bar=self.progress),
            ],
            plugins=[AtomicCheckpointIO()],
            logger=loggers or False,
            log_every_n_steps=max(1, stage.total_steps // POINTS),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            default_root_dir=self.directory,
        )


def stage_settings(config: Config) -> str:
    """What the weights of both stages hang on besides the images, as JSON."""
    others = {"scoring", "calibration", "mask", "backbone", "feature_net", "feature_training"}
    return json.dumps(config.model_dump(mode="json", exclude=others), sort_keys=True)


def feature_settings(config: Config) -> str:
    """What the weights of the feature impression hang on besides the images, as JSON."""
    sections = {"preset", "seed", "precision", "image", "augment", "backbone", "feature_net", "feature_training"}
    settings = config.model_dump(mode="json", include=sections)
    illumination = config.scoring.model_dump(include={"normalise_illumination", "normalise_gradient"})
    return json.dumps(settings | illumination, sort_keys=True)


def _identity(images: Tensor, settings: str) -> dict[str, str]:
    """What two runs must share for one to go on with the other's checkpoint."""
    digest = hashlib.sha256(str(tuple(images.shape)).encode())
    digest.update(images.contiguous().numpy().tobytes())
    return {
        "version": f"{version('utad')}, model format {FORMAT_VERSION}",
        "settings": settings,
        "training images": digest.hexdigest(),
    }


def _check_weights(stage: Stage) -> None:
    faulty = [name for name, tensor in stage.state_dict().items() if not bool(torch.isfinite(tensor).all())]
    if faulty:
        raise TrainingError(
            f"stage {stage.name} ended with weights that are not finite (first {faulty[0]}): lower its learning rate"
        )
