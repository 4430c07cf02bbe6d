"""From normal images to a fitted detector: both stages, the feature impression, and calibration."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from utad.config import Config
from utad.data.letterbox import Letterbox
from utad.data.loading import LoadedImages
from utad.data.subsets import held_out_block
from utad.data.tensors import to_uint8
from utad.data.tiled_images import TiledImages
from utad.interpret.normal_images import NormalImages, keep_images
from utad.progress import spoken
from utad.scoring.calibration import NormalScores, Witness, calibrate
from utad.scoring.feature_examples import feature_examples
from utad.scoring.image_scores import chosen_images
from utad.scoring.network import DetectorNetwork
from utad.training.fit import train_feature_impression, train_two_stage
from utad.training_record import StageRecord
from utad.training_time import expected_seconds

_log = logging.getLogger(__name__)

_CODED = 8
"""Images whose codes are computed together."""

MARGIN = 0.1
"""Part of the images on either side of the held-out block that does not train the witness either: its neighbours."""


class Fitted(NamedTuple):
    """What fitting came to, beside the network itself.

    Attributes:
        seconds: of training, by network.
        normal: what the normal images score by what was fitted without them.
        stages: how the training of each network went.
    """

    seconds: dict[str, float]
    normal: NormalScores
    stages: tuple[StageRecord, ...]


def fit_network(
    network: DetectorNetwork,
    images: Tensor,
    trained_on: Tensor,
    config: Config,
    *,
    tiles: TiledImages | None = None,
    directory: Path | None = None,
    resume: bool = False,
    progress: bool = False,
    loggers: Sequence[str] = (),
) -> Fitted:
    """Trains and calibrates a detector, in place.

    Args:
        network: untrained.
        images: all normal images, `(N, C, S, S)` float32 in [0, 1], N at least 4; filled outside the network's region.
        trained_on: bool `(N,)`, which of them train both stages.
        config: the resolved config.
        tiles: which `images` are the tiles of, those of one image on one side of every split; None where they are
            images themselves.
        directory: where `metrics.csv` and `checkpoints/` go; None keeps nothing.
        resume: goes on from the checkpoints in `directory`, if there are any.
        progress: shows progress bars, instead of lines in the log.
        loggers: the trackers that get the losses too, some of `utad.training.trackers.TRACKERS`.

    Raises:
        TrainingError: if there are too few images or a checkpoint does not belong to this run.
        NonFiniteLossError: if a loss or a weight is not finite.
    """
    if tiles is not None:
        _say_how_long(network, tiles, config)
    region = network.working_region
    report = train_two_stage(
        network.two_stage,
        images[trained_on],
        config,
        region=region,
        directory=directory,
        resume=resume,
        progress=progress,
        loggers=loggers,
    )
    witness = None
    if network.feature_impression is not None:
        held_out = held_out_of(len(images), config.calibration.held_out, tiles)
        far = ~held_out_of(len(images), config.calibration.held_out + 2 * MARGIN, tiles)
        witness = Witness(deepcopy(network.feature_impression), trained_on=far, held_out=held_out)
        first = (witness.impression, far, "feature_net_witness")
        for impression, chosen, name in (first, (network.feature_impression, torch.ones_like(far), "feature_net")):
            normal, anomalous = feature_examples(network, images[chosen], config, progress=progress)
            trained = train_feature_impression(
                impression,
                images[chosen],
                config,
                normal=normal,
                anomalous=anomalous,
                name=name,
                positions=region.positions(normal.shape[-1]) if region is not None else None,
                directory=directory,
                resume=resume,
                progress=progress,
                loggers=loggers,
            )
            report.seconds.update(trained.seconds)
            report.records.extend(trained.records)
            del normal, anomalous  # calibration needs the room
    scores = calibrate(network, images, trained_on, config, witness=witness, tiles=tiles, progress=progress)
    return Fitted(report.seconds, scores, tuple(report.records))


def _say_how_long(network: DetectorNetwork, tiles: TiledImages, config: Config) -> None:
    learnt, whole = len(tiles.image_of), chosen_images(tiles).tolist()
    scored = sum(tiles.counts[index] for index in whole)
    fitted = min(learnt, config.calibration.max_images)
    seconds = expected_seconds(network, config, n_fitted=fitted, n_scored=scored)
    _log.info(
        "learning from %d of the %d tiles of %d images, of %d pixels a side; the threshold is set on %d whole images "
        "with %d tiles; this takes roughly %s",
        *(learnt, sum(tiles.counts), len(tiles.samples), tiles.tiling.side, len(whole), scored, spoken(seconds)),
    )


def held_out_of(count: int, share: float, tiles: TiledImages | None) -> Tensor:
    """The held-out block of images, or the tiles of such a block, bool `(count,)`."""
    return held_out_block(count, share) if tiles is None else tiles.of_images(held_out_block(len(tiles.samples), share))


@torch.inference_mode()
def normal_images_of(
    network: DetectorNetwork, loaded: LoadedImages, config: Config, *, letterbox: Letterbox | None = None
) -> NormalImages | None:
    """What the model is to keep of its training images; None for none of them.

    Args:
        network: fitted.
        loaded: the training images.
        config: its section `explain` is used.
        letterbox: whose frame is taken off their pictures; None where they have none.
    """
    settings = config.explain
    device = next(network.parameters()).device
    if settings.privacy:
        return None
    codes = [network.codes(batch.to(device)) for batch in torch.split(loaded.images, _CODED)]
    found = [code.float().cpu() for code in codes if code is not None]
    if not found:
        return None
    pictures = [to_uint8(image, (network.size, network.size)) for image in loaded.images]
    if letterbox is not None:
        pictures = [letterbox.unframed(picture, letterbox.size_at(network.size)) for picture in pictures]
    max_bytes = round(1e6 * settings.max_megabytes)
    return keep_images(pictures, torch.cat(found).numpy(), loaded.names, max_bytes=max_bytes)
