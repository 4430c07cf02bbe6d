"""What serves models, whatever protocol asks for it: submits images, waits for results, exchanges models."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from utad.errors import InputError, ModelFileError, UnavailableError
from utad.serving.batching import Job, Result
from utad.serving.messages import Answer, Task
from utad.serving.metrics import Metrics
from utad.serving.pool import WorkerPool
from utad.serving.registry import ServedModel, taken_over
from utad.serving.settings import ServeSettings

_LOGGER = logging.getLogger(__name__)


class UnknownModelError(InputError):
    """No model of this name is served."""


@dataclass(frozen=True)
class Scores:
    """The results of one request, all from one version of one model.

    Attributes:
        model: that gave them.
        results: in the order of the tasks.
    """

    model: ServedModel
    results: tuple[Result, ...]


class Service:
    """Serves models with a pool of workers.

    Args:
        models: paths by name.
        settings: limits.

    Attributes:
        settings: as given.
        metrics: what is counted.
        held_bytes: of the bodies of requests, in memory now.

    Raises:
        ModelFileError: if a model is missing or damaged, or has no graph.
    """

    def __init__(self, models: Mapping[str, Path], settings: ServeSettings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.recent)
        self.held_bytes = 0
        self._draining_since: float | None = None
        self._in_hand = 0
        self._exchanging = asyncio.Lock()
        self._store = Path(tempfile.mkdtemp(prefix=f"utad-serve-{os.getpid()}-"))
        with ExitStack() as undoing:
            undoing.callback(self._remove_store)
            self._models = {name: taken_over(name, path, 1, self._store) for name, path in models.items()}
            undoing.pop_all()
        self._versions = dict.fromkeys(models, 1)
        folders = {model.key: model.folder for model in self._models.values()}
        self.pool = WorkerPool(folders, settings, batch_done=self._batch_done)
        for model in self._models.values():
            self.metrics.serve(model)
        gauge = self.metrics.gauge
        gauge("utad_queue_images", "Images that wait for a worker.", lambda: len(self.pool.queue))
        gauge("utad_queue_bound", "Images that may wait.", lambda: settings.queue)
        gauge("utad_ready", "Whether requests are taken.", lambda: self.ready)
        gauge("utad_worker_restarts", "Workers that were replaced since the start.", lambda: self.pool.restarts)
        gauge("utad_requests_in_hand", "Requests that are being answered.", lambda: self._in_hand)

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """What is served now, by name."""
        return dict(self._models)

    @property
    def ready(self) -> bool:
        """Whether requests are taken: a worker has passed a warm-up inference, and nobody has asked for the end."""
        return self.pool.ready and self._draining_since is None

    @property
    def in_hand(self) -> int:
        """Requests that are being answered."""
        return self._in_hand

    def start(self) -> None:
        """Starts the workers, and returns before they are ready."""
        self.pool.start()

    def drain(self) -> None:
        """From now on takes no more requests; those in hand are finished."""
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    @property
    def grace_left(self) -> float:
        """Seconds of the grace period, which begins with `drain`."""
        since = self._draining_since
        gone = 0.0 if since is None else time.monotonic() - since
        return max(0.0, self.settings.grace - gone)

    def stop(self) -> bool:
        """Finishes what is in hand, ends the workers and removes the copies of the models.

        Returns:
            Whether everything was finished within the grace period.
        """
        self.drain()
        try:
            return self.pool.stop(self.grace_left)
        finally:
            self._remove_store()

    def model(self, name: str | None) -> ServedModel:
        """A model by name; without one, the only model.

        Raises:
            UnknownModelError: if there is none, or several to choose from.
        """
        if name is None and len(self._models) == 1:
            return next(iter(self._models.values()))
        if name is None or name not in self._models:
            got = "no model is named" if name is None else f"got the model {name[:80]!r}"
            raise UnknownModelError(f"{got}, expected one of {', '.join(sorted(self._models))}")
        return self._models[name]

    def admit(self) -> None:
        """Refuses a request before its body is read, where there is no room for what it brings.

        Raises:
            UnavailableError: if so.
        """
        if self._draining_since is not None:
            raise UnavailableError("the server is shutting down and takes no more requests")
        if not self.pool.ready:
            raise UnavailableError("no worker is ready yet, the models are being loaded", retry_after=2)
        if len(self.pool.queue) >= self.pool.queue.bound:
            raise UnavailableError(f"{len(self.pool.queue)} images wait already, as many as may: send it again later")

    def begin(self) -> None:
        """Counts a request as accepted: it is answered before the server ends."""
        self._in_hand += 1

    def end(self) -> None:
        """The request is answered."""
        self._in_hand -= 1

    async def score(self, name: str | None, tasks: Sequence[Task], *, counted: bool = True) -> Scores:
        """Scores the images of a request. Cancelling it takes back what no worker has begun.

        Args:
            name: of the model; None for the only one.
            tasks: the images.
            counted: whether metrics and drift take them in; not what is scored for a second time.

        Raises:
            UnknownModelError: if the model is not served.
            UnavailableError: if there is no room, the deadline passes, or a worker is lost.
        """
        model = self.model(name)
        deadline = time.monotonic() + self.settings.deadline
        futures = self.pool.submit(model.key, tasks, deadline=deadline)
        waiting = [asyncio.wrap_future(future) for future in futures]
        try:
            async with asyncio.timeout(self.settings.deadline):
                results = tuple(await asyncio.gather(*waiting))
        except TimeoutError:
            raise UnavailableError("the deadline passed before the answer was there: send it again later") from None
        finally:
            for future in waiting:
                future.cancel()
        for result in results if counted else ():
            if isinstance(result, Answer):
                self.metrics.scored(model, result)
            else:
                self.metrics.refused(model)
        return Scores(model, results)

    async def reload(self, name: str) -> ServedModel:
        """Exchanges a model for what lies at its path now, under load; the old one stays if the new one is bad.

        A request is answered by one of the two alone: those that came before the exchange by the old one.

        Raises:
            UnknownModelError: if it is not served.
            ModelFileError: if the new one is damaged or does not compute; the old one goes on.
        """
        old = self.model(name)
        async with self._exchanging:
            old = self._models[old.name]
            self._versions[old.name] += 1
            new = await asyncio.to_thread(taken_over, old.name, old.source, self._versions[old.name], self._store)
            try:
                await asyncio.to_thread(self.pool.load, new.key, new.folder)
            except ModelFileError:
                shutil.rmtree(new.folder, ignore_errors=True)
                raise
            self._models[old.name] = new
            self.metrics.serve(new)
            _LOGGER.info("%s is served in version %d now", new.name, new.version)
            await asyncio.to_thread(self.pool.unload, old.key)
            shutil.rmtree(old.folder, ignore_errors=True)
        return new

    def _batch_done(self, jobs: Sequence[Job], seconds: float) -> None:
        self.metrics.batch(jobs[0].key[0], len(jobs), seconds)

    def _remove_store(self) -> None:
        shutil.rmtree(self._store, ignore_errors=True)
