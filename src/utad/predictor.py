"""The one way from images to predictions: reads, batches, scores with any engine, labels, and keeps the order.

An engine gives arrays for a batch of images: the network in PyTorch, an exported graph, a compared method. Everything
around it stands here once. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np

from utad.config import MaskConfig
from utad.data.colour_order import ColourOrder, watched
from utad.data.geometry import Geometry, HasGeometry
from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.data.streaming import Read, in_order, iterate_batches, pixels_of
from utad.errors import ConfigError, ImageReadError, InputError, NonFiniteScoreError, NotFittedError, checked
from utad.inputs import Input, is_single, iterate_samples
from utad.interpret.explanation import NEIGHBOURS, Explanation, explained
from utad.interpret.normal_images import NormalImages
from utad.recalibration import Recalibration, recalibrate_labelled
from utad.scoring.decision import Decision
from utad.thresholds import PastCalibration, check_threshold, thresholds_at
from utad.types import EngineResult, Image, Mask, Outcome, Sample


class Engine(Protocol):
    """What scores a batch of images; it may be used by several threads at once.

    Attributes:
        max_batch: most images that it computes together.
        same_size: whether the images of a batch must have one size.
        streams: batches that it computes at the same time.
    """

    max_batch: int
    same_size: bool
    streams: int

    def run(self, images: Sequence[Image], *, concurrent: bool = False) -> Sequence[EngineResult]:
        """One result per image, at that image's own size.

        Args:
            images: `(H, W, 3)` each, uint8 or uint16.
            concurrent: other batches are computed meanwhile, up to `streams` of them.
        """


class Predictor(HasGeometry):
    """Scores images with an engine.

    Args:
        engine: None until there is one.
        threshold: on normalised scores.
        fail_threshold: that of the band `fail`; None for `threshold`.
        normal_scores: normalised scores of normal images, `(N,)`, which other rates are read off.
        mask: how maps become masks.
        max_pixels: of an image; larger ones are refused.
        threads: that read images, and that compute batches side by side where the engine can; None for one per core.

    Attributes:
        threshold: on normalised scores; may be set, to a finite number.
        fail_threshold: that of the band `fail`; may be set, and counts as `threshold` where it is None or lower.
        normal_scores: as given.
        calibrations: what earlier calibrations replaced, the oldest first.
        colour_order: of the training images; where those of a call have red and blue exchanged, one warning says so.
            None looks at no colours.
        normal_images: of the training, which explanations show; None where the model keeps none.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        threshold: float = 0.5,
        fail_threshold: float | None = None,
        normal_scores: Sequence[float] = (),
        mask: MaskConfig | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        threads: int | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"got {threads} threads, expected at least 1")
        self.threshold = threshold
        self.fail_threshold = fail_threshold
        self.normal_scores = tuple(normal_scores)
        self.calibrations: tuple[PastCalibration, ...] = ()
        self.colour_order: ColourOrder | None = None
        self.normal_images: NormalImages | None = None
        self.geometry = Geometry()
        self._mask = mask if mask is not None else MaskConfig()
        self._engine = engine
        self._max_pixels = max_pixels
        self._threads = threads

    @property
    def threshold(self) -> float:
        """On normalised scores.

        Raises:
            ConfigError: when it is set to what is not finite.
        """
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self._threshold = check_threshold(threshold)

    @property
    def engine(self) -> Engine:
        """What computes.

        Raises:
            NotFittedError: if there is nothing yet.
        """
        if self._engine is None:
            raise NotFittedError("the detector is not fitted: call fit, or UTAD.load a model")
        return self._engine

    @property
    def max_pixels(self) -> int:
        """Of an image; larger ones are refused."""
        return self._max_pixels

    def predict(self, inputs: Input | Iterable[Input], *, batch_size: int = 8) -> Any:
        """Scores images: one gives a `Prediction`, several (a batch, a list, a folder) give a list of them.

        Args:
            inputs: paths, PIL images, arrays (HWC, uint8 or float in [0, 1]), tensors (NCHW or CHW, [0, 1]), samples.
                Channels are RGB; what OpenCV reads is BGR: `image[..., ::-1]`.
            batch_size: most images scored together; the engine may take fewer.

        Raises:
            ImageReadError: naming the file that cannot be read.
            InputError: if an input is not an image, or `batch_size` is below 1.
            ModelFileError: if a runtime does not accept an exported graph.
            NonFiniteScoreError: if a score or map is not finite.
            NotFittedError: before `fit`.
        """
        outcomes = self.predict_samples(iterate_samples(inputs), batch_size=batch_size)
        predictions = [checked(outcome) for _, outcome in outcomes]
        return predictions[0] if is_single(inputs) else predictions

    def predict_samples(self, samples: Iterable[Sample], *, batch_size: int = 8) -> Iterator[Outcome]:
        """Scores a stream of images in order and in bounded memory; an unreadable one gives its error in its place."""
        for outcomes in self.predict_batches(samples, batch_size=batch_size):
            yield from outcomes

    def predict_batches(
        self, samples: Iterable[Sample], *, batch_size: int = 8, after: int = 0
    ) -> Iterator[list[Outcome]]:
        """As `predict_samples`, in the batches in which they are computed.

        Args:
            samples: what to score.
            batch_size: most images scored together.
            after: batches of the same stream that were scored before, of which these are the rest: they are computed
                as they would have been then, to the same digits.
        """
        if batch_size < 1:
            raise InputError(f"got a batch_size of {batch_size}, expected at least 1")
        engine, threads = self.engine, self._threads
        size = min(batch_size, engine.max_batch)
        streams = engine.streams if threads is None else min(engine.streams, threads)
        batches = iterate_batches(
            samples, size, max_pixels=self._max_pixels, same_size=engine.same_size, workers=threads
        )
        if self.colour_order is not None:
            batches = watched(batches, self.colour_order, self.geometry.region)
        first = list(islice(batches, streams + 1))
        batches = chain(first, batches)
        # Fewer images than keep every stream busy are computed one batch after the other, on all cores.
        known = after + len(first)
        busy = known > streams or (known == streams and bool(first) and len(first[-1]) == size)
        if streams > 1 and size == engine.max_batch and busy:
            score = partial(self._score, concurrent=True)
            yield from (outcomes for _, outcomes in in_order(score, batches, workers=streams, pixels=pixels_of))
            return
        for batch in batches:
            yield self._score(batch, concurrent=False)

    def explain(self, inputs: Input | Iterable[Input], *, neighbours: int = NEIGHBOURS) -> Any:
        """Explains scores: one image gives an `Explanation`, several give a list of them.

        Args:
            inputs: as for `predict`.
            neighbours: normal images to show, at most.

        Raises:
            InputError: if the engine does not tell what each component has of the score, as a graph of an earlier
                version does not.
        """
        outcomes = self.explain_samples(iterate_samples(inputs), neighbours=neighbours)
        explanations = [checked(outcome) for _, outcome in outcomes]
        return explanations[0] if is_single(inputs) else explanations

    def explain_samples(
        self, samples: Iterable[Sample], *, neighbours: int = NEIGHBOURS
    ) -> Iterator[tuple[Sample, Explanation | ImageReadError]]:
        """Explains a stream of images, as `predict_samples` scores one."""
        about = partial(explained, normal_scores=self.normal_scores, normal_images=self.normal_images)
        for sample, outcome in self.predict_samples(samples):
            if isinstance(outcome, ImageReadError):
                yield sample, outcome
                continue
            image = load_image(sample, max_pixels=self._max_pixels)
            yield sample, about(sample.name, image, outcome, neighbours=neighbours)

    def set_rates(self, *, fpr: float | None = None, fail_fpr: float | None = None) -> None:
        """Sets one threshold or both to the rates of normal images that are to lie above them.

        Args:
            fpr: of normal images called anomalous; None leaves the threshold as it is.
            fail_fpr: of normal images in the band `fail`; None leaves that threshold as it is.

        Raises:
            ConfigError: if a rate is not above 0 and below 0.5, or the second is above the first.
            DataError: if the model does not hold the scores of its normal images.
        """
        thresholds = thresholds_at(self.normal_scores, fpr=fpr, fail_fpr=fail_fpr)
        self.threshold = thresholds.threshold if thresholds.threshold is not None else self.threshold
        self.fail_threshold = thresholds.fail if thresholds.fail is not None else self.fail_threshold

    def calibrate_labelled(
        self, samples: Sequence[Sample], *, target: str = "f1", force: bool = False, progress: bool = False
    ) -> Recalibration:
        """Sets the threshold from labelled images, to the best F1 or to a recall; `undo_calibration` takes it back.

        Args:
            samples: normal and anomalous images; those without a label are left out.
            target: `f1` or `recall=0.95`.
            force: fewer than 10 images will do.
            progress: show a bar, instead of lines in the log.

        Raises:
            DataError: unless both kinds are there, and enough of them.
        """
        outcome = recalibrate_labelled(self.predict_samples, samples, target, force=force, progress=progress)
        self.calibrations = (*self.calibrations, PastCalibration(self.threshold, self.fail_threshold))
        self.threshold = outcome.threshold
        return outcome

    def undo_calibration(self) -> PastCalibration:
        """Brings back what the last calibration replaced, and returns it.

        Raises:
            ConfigError: if there was none.
        """
        if not self.calibrations:
            raise ConfigError("there is no calibration to undo: the threshold is that of the training")
        *earlier, last = self.calibrations
        self.calibrations = tuple(earlier)
        self.threshold, self.fail_threshold = last.threshold, last.fail_threshold
        return last

    def _score(self, batch: Sequence[Read], *, concurrent: bool) -> list[Outcome]:
        images = [self._seen(image) for _, image in batch if not isinstance(image, ImageReadError)]
        results = iter(self.engine.run(images, concurrent=concurrent) if images else ())
        decision = Decision(self._threshold, self.fail_threshold, self._mask)
        outcomes: list[Outcome] = []
        for sample, image in batch:
            if isinstance(image, ImageReadError):
                outcomes.append((sample, image))
                continue
            result = next(results)
            if result.inside is not None and not result.inside.any():
                outcomes.append((sample, _nothing_inside(sample, result.inside)))
                continue
            if not result.is_finite():
                raise NonFiniteScoreError(
                    f"the score of {sample.name} is not finite, although every pixel of the image is: the model does "
                    "not fit these images; retrain it with images like them"
                )
            outcomes.append((sample, decision.of(result)))
        return outcomes

    def _seen(self, image: Image) -> Image:
        """Which engine an image of 16 bits needs, and whether it needs them, is not decided by what lies outside."""
        region = self.geometry.region
        return region.filled(image) if region is not None and image.dtype != np.uint8 else image


def _nothing_inside(sample: Sample, inside: Mask) -> ImageReadError:
    height, width = inside.shape
    return ImageReadError(
        f"{sample.name}: none of its {width} x {height} pixels lies in the region of interest that the model was "
        "trained for; expected an image as large as those of the training"
    )
