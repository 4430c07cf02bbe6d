"""Watching a folder: scores images as they come, each version of each once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from utad.data.image_files import relative_name
from utad.data.local import not_local
from utad.errors import (
    ConfigError,
    DatasetError,
    ImageReadError,
    InputError,
    MissingDependencyError,
    NonFiniteScoreError,
    UTADError,
)
from utad.predictor import Predictor
from utad.serving.watch.arrivals import Arrivals
from utad.serving.watch.delivery import Channel, Deliveries
from utad.serving.watch.events import RESCAN_SECONDS, FolderEvents
from utad.serving.watch.flagged import FlaggedFolder
from utad.serving.watch.results import Scored, WatchResults, WatchSummary
from utad.serving.watch.scan import Arrival, FileState, is_image_name, is_watched, scan, state_of
from utad.types import Prediction, Sample

_LOGGER = logging.getLogger(__name__)

_BATCHES_AT_ONCE = 16
"""Scored before the folder is looked at again."""

_OF_ONE_IMAGE = (NonFiniteScoreError, InputError, MissingDependencyError)
"""What a single image can end its batch with: a score, or 16 bits, which graphs of earlier versions do not take."""

_AWAY_SECONDS = 2.0
"""Between two looks for a folder that is not there."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """How a folder is watched.

    Attributes:
        settle: seconds for which the size and the time of a file must not change.
        poll: seconds between two looks at the whole folder, without events; None for events.
        once: score what is there, and end.
        batch_size: most images scored together.
        save: some of `SAVABLE`.
        flagged: folder for the images called anomalous; None for none.
        link: links there instead of copies.

    Raises:
        ConfigError: if a number is out of range.
    """

    settle: float = 1.0
    poll: float | None = None
    once: bool = False
    batch_size: int = 8
    save: frozenset[str] = frozenset({"maps", "masks"})
    flagged: Path | None = None
    link: bool = False

    def __post_init__(self) -> None:
        for name, seconds, least in (("settle", self.settle, 0.0), ("poll", self.poll, 0.05)):
            if seconds is not None and not least <= seconds <= 86_400:
                raise ConfigError(f"got {name} {seconds:g}, expected seconds from {least:g} to 86400")
        if self.batch_size < 1:
            raise ConfigError(f"got a batch_size of {self.batch_size}, expected at least 1")
        if self.link and self.flagged is None:
            raise ConfigError("got link without flagged: name the folder that the links go to")


def watch_folder(
    detector: Predictor,
    folder: Path,
    output: Path,
    *,
    options: WatchOptions | None = None,
    channels: Sequence[Channel] = (),
    run: str = "",
) -> WatchSummary:
    """Scores what lies in a folder and below it and was not scored before, then what comes, until a signal ends it.

    Args:
        detector: fitted.
        folder: to watch.
        output: the folder to write to; results of an earlier call with the same detector and settings are gone on with.
        options: the defaults if None.
        channels: that every result is sent to, once it is on disk.
        run: names the detector; results of another one are not mixed with these.

    Returns:
        With `once`; otherwise an exception ends it, of a signal as a rule, with a note that says what is kept.

    Raises:
        DatasetError: if the folder is not there at the start.
        OutputError: if something cannot be written, `output` overlaps the folder, another process writes to it, or it
            holds other results or files that are not ours.
    """
    options = WatchOptions() if options is None else options
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DatasetError(not_local(folder) or f"{folder} {what}; expected a folder to watch")
    folder = folder.absolute()
    run = f"{run} {detector.threshold!r} {detector.fail_threshold!r}"
    with ExitStack() as stack:
        results = stack.enter_context(WatchResults(output, folder, save=options.save, run=run))
        flagged = None if options.flagged is None else FlaggedFolder(options.flagged, folder, link=options.link)
        deliveries = stack.enter_context(Deliveries(channels))
        poll = RESCAN_SECONDS if options.once else options.poll
        events = stack.enter_context(FolderEvents(folder, poll=poll))
        _LOGGER.info("watching %s: %d results before", folder, results.summary.n_before)
        _Watch(detector, folder, results, deliveries, flagged, options).run(events)
    results.summary.n_undelivered = deliveries.n_undelivered
    return results.summary


class _Watch:
    def __init__(
        self,
        detector: Predictor,
        folder: Path,
        results: WatchResults,
        deliveries: Deliveries,
        flagged: FlaggedFolder | None,
        options: WatchOptions,
    ) -> None:
        self._detector = detector
        self._folder = folder
        self._results = results
        self._deliveries = deliveries
        self._flagged = flagged
        self._options = options
        self._arrivals = Arrivals(results.done, settle=options.settle, patient=not options.once)
        self._place: tuple[int, int] | None = None
        self._away = self._scanned = False
        self._unreadable: set[str] = set()
        self._unlisted: set[Path] = set()

    def run(self, events: FolderEvents) -> None:
        """Until a signal comes or, with `once`, nothing is left."""
        while True:
            if not self._look(events):
                if self._options.once:
                    raise DatasetError(f"{self._folder} is not there any more: what was scored is kept")
                time.sleep(_AWAY_SECONDS)
                continue
            limit = self._options.batch_size * _BATCHES_AT_ONCE
            complete = self._arrivals.complete(time.monotonic(), limit, self._state_of)
            if complete:
                self._score(complete)
            elif self._options.once and not len(self._arrivals):
                return
            else:
                events.wait(self._arrivals.seconds_left(time.monotonic()))

    def _look(self, events: FolderEvents) -> bool:
        """Takes note of what has changed; false where the folder is not there."""
        try:
            self._note_place(events)
            changed = set() if self._options.once and self._scanned else events.take()
            if changed is None:
                started = time.monotonic()
                for arrival in scan(self._folder, told=self._unlisted):
                    self._arrivals.see(arrival, time.monotonic())
                events.scanned(time.monotonic() - started)
                self._scanned = True
        except OSError as error:
            if not self._away:
                _LOGGER.warning("%s is not there (%s): waiting for it", self._folder, error.strerror or error)
            self._away = True
            return False
        for path in changed or ():
            self._see(path)
        return True

    def _note_place(self, events: FolderEvents) -> None:
        """Notices that the folder came back, or is another one by the same name.

        Raises:
            OSError: if it is not there.
        """
        status = self._folder.stat()
        place = (status.st_dev, status.st_ino)
        if self._away or self._place not in (None, place):
            how = "is there again" if self._away else "is another folder than before: was a drive mounted or unmounted?"
            _LOGGER.warning("%s %s; going on", self._folder, how)
            events.restart()
        self._place, self._away = place, False

    def _see(self, path: Path) -> None:
        """Takes note of a path that an event named; what is not to be found is left to the next look at everything."""
        with suppress(ValueError, OSError):
            if path.is_dir():
                if is_watched(relative_name(path, self._folder)):
                    for arrival in scan(self._folder, path, told=self._unlisted):
                        self._arrivals.see(arrival, time.monotonic())
                return
            name = relative_name(path, self._folder)
            if is_image_name(name) and (state := state_of(path)) is not None:
                self._arrivals.see(Arrival(name, state), time.monotonic())

    def _state_of(self, name: str) -> FileState | None:
        return state_of(self._folder / name)

    def _score(self, complete: Sequence[Arrival]) -> None:
        """Scores images that are complete, and keeps each batch as soon as it is there."""
        by_name = {arrival.name: arrival for arrival in complete}
        samples = [Sample(arrival.name, self._folder / arrival.name) for arrival in complete]
        try:
            for batch in self._detector.predict_batches(samples, batch_size=self._options.batch_size):
                self._keep([Scored(by_name.pop(sample.name), sample, outcome) for sample, outcome in batch])
        except _OF_ONE_IMAGE:
            # Of one image in a batch of which nothing was kept.
            for arrival in list(by_name.values()):
                sample = Sample(arrival.name, self._folder / arrival.name)
                self._keep([Scored(arrival, sample, self._alone(sample))])

    def _alone(self, sample: Sample) -> Prediction | UTADError:
        try:
            ((_, outcome),) = self._detector.predict_samples([sample])
        except _OF_ONE_IMAGE as error:
            return error
        return outcome

    def _keep(self, batch: Sequence[Scored]) -> None:
        kept = [image for image in batch if self._counts(image)]
        if not kept:
            return
        if self._flagged is not None:
            for image in kept:
                if not isinstance(image.outcome, UTADError) and image.outcome.pred_label:
                    self._flagged.add(image.arrival)
        rows = self._results.add(kept)
        self._deliveries.add(rows)
        for image in kept:
            self._arrivals.drop(image.arrival)
            self._unreadable.discard(image.arrival.name)
            if isinstance(image.outcome, UTADError):
                _LOGGER.warning("not scored: %s", image.outcome)
            elif image.outcome.pred_label:
                found = image.outcome
                _LOGGER.info("anomalous: %s, score %.3f, %s", image.arrival.name, found.pred_score, found.band)

    def _counts(self, image: Scored) -> bool:
        """Whether the outcome is of the file as it was when it was complete, and not of a passing fault."""
        arrival, now = image.arrival, time.monotonic()
        state = self._state_of(arrival.name)
        failed = isinstance(image.outcome, UTADError)
        if state is None and failed:
            _LOGGER.info("%s was moved away before it was read", arrival.name)
            self._arrivals.drop(arrival)
            return False
        if state is not None and state != arrival.state:
            self._arrivals.changed(arrival, state, now)
            return False
        if failed and _may_pass(image.outcome):
            if arrival.name not in self._unreadable:
                self._unreadable.add(arrival.name)
                _LOGGER.warning("not scored, and tried again later: %s", image.outcome)
            if self._options.once:
                self._results.summary.n_failed += 1
                self._results.summary.failed.append(str(image.outcome))
            self._arrivals.put_off(arrival, now)
            return False
        return True


def _may_pass(error: Prediction | UTADError) -> bool:
    """Whether the system refused to read a file, rather than its content being no image."""
    cause = error.__cause__ if isinstance(error, ImageReadError) else None
    # Pillow's own errors are of this type too, without a number.
    return isinstance(cause, OSError) and cause.errno is not None
