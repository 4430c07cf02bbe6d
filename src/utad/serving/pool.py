"""The workers as a whole: each is fed by a thread of its own from the one queue, and replaced when it is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Condition, Event, Lock, Thread

from utad.errors import ModelFileError, UnavailableError
from utad.export.runtime import usable_cores
from utad.serving.batching import Job, JobQueue, Result
from utad.serving.messages import ModelKey, Task
from utad.serving.settings import ServeSettings
from utad.serving.slot import WorkerLostError, WorkerProcess

_LOGGER = logging.getLogger(__name__)

_PATIENCE = 2.0
"""Seconds after the deadline of its last job in which a worker may still answer."""

_LONGEST_PAUSE = 10.0
"""Seconds before a worker is started again whose predecessors were lost one after the other."""

BatchDone = Callable[[Sequence[Job], float], None]


class WorkerPool:
    """Scores images in worker processes.

    Args:
        folders: the exported folder of each model that is served from the start.
        settings: number of workers, queue, deadlines.
        batch_done: is told of every batch, with the seconds that the worker computed; from any thread.

    Attributes:
        queue: what waits.
        restarts: how many workers were replaced.
    """

    def __init__(
        self, folders: Mapping[ModelKey, Path], settings: ServeSettings, *, batch_done: BatchDone | None = None
    ) -> None:
        self.queue = JobQueue(settings.queue)
        self.restarts = 0
        self._settings = settings
        self._threads = settings.threads or max(1, usable_cores(None) // settings.workers)
        self._batch_done = batch_done
        self._wanted = dict(folders)
        self._failures: dict[ModelKey, str] = {}
        self._proved: set[ModelKey] = set()
        self._state = Condition()
        self._loading = Lock()
        self._stopping = Event()
        self._workers: dict[int, WorkerProcess] = {}
        self._ready: set[int] = set()
        self._feeders = [
            Thread(target=self._feed, args=(index,), name=f"feeds worker {index}", daemon=True)
            for index in range(settings.workers)
        ]

    def start(self) -> None:
        """Starts the workers and returns at once; `ready` tells when the first of them is."""
        for feeder in self._feeders:
            feeder.start()

    @property
    def ready(self) -> bool:
        """Whether a worker has all models, each after a warm-up inference, and the queue is open."""
        return bool(self._ready) and not self.queue.closed

    @property
    def failures(self) -> Mapping[ModelKey, str]:
        """Why models could not be loaded."""
        with self._state:
            return dict(self._failures)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the worker processes that are there now."""
        with self._state:
            return tuple(worker.pid for worker in self._workers.values())

    def submit(self, key: ModelKey, tasks: Sequence[Task], *, deadline: float) -> list[Future[Result]]:
        """Lines up images, all or none, and returns where their results will be.

        Args:
            key: of a model that is served.
            tasks: the images.
            deadline: on the clock of `time.monotonic`.

        Raises:
            UnavailableError: if there is no room, no worker is ready, or the pool is closed. A future raises it too,
                where the deadline passes first or the worker is lost.
        """
        if not self.ready and not self.queue.closed:
            raise UnavailableError("no worker is ready yet, the models are being loaded", retry_after=2)
        jobs = [Job(task, key, deadline) for task in tasks]
        self.queue.put(jobs)
        return [job.future for job in jobs]

    def load(self, key: ModelKey, folder: Path) -> None:
        """Adds a model, in one worker after the other, while they go on serving the others. Blocks.

        Raises:
            ModelFileError: if it cannot be loaded; nothing is changed then.
        """
        with self._state:
            self._failures.pop(key, None)
            self._wanted[key] = folder
        self.queue.wake()
        with self._state:
            self._state.wait_for(lambda: key in self._failures or self._everywhere(key) or self._stopping.is_set())
            failure = self._failures.pop(key, None)
            if failure is None and self._everywhere(key):
                self._proved.add(key)
                return
            self._wanted.pop(key, None)
        self.queue.wake()
        raise ModelFileError(failure or "the server is shutting down")

    def unload(self, key: ModelKey) -> None:
        """Lets go of a model once nothing waits for it any more; nobody may line up images for it meanwhile. Blocks."""
        while self.queue.count(key) and not self._stopping.is_set():
            time.sleep(0.01)
        with self._state:
            self._wanted.pop(key, None)
            self._proved.discard(key)
        self.queue.wake()

    def stop(self, grace: float) -> bool:
        """Finishes what waits and what is in hand, then ends the workers.

        Args:
            grace: seconds; what is not done by then is failed.

        Returns:
            Whether everything was finished.
        """
        self.queue.close()
        until = time.monotonic() + grace
        begun = [feeder for feeder in self._feeders if feeder.ident is not None]
        for feeder in begun:
            feeder.join(max(0.0, until - time.monotonic()))
        finished = not any(feeder.is_alive() for feeder in begun)
        self._stopping.set()
        self.queue.fail_all(UnavailableError("the server was stopped before a worker was free"))
        with self._state:
            self._state.notify_all()
            for worker in self._workers.values():
                worker.kill()
        for feeder in begun:
            feeder.join(5.0)
        return finished

    def _everywhere(self, key: ModelKey) -> bool:
        return bool(self._ready) and all(key in self._workers[index].loaded for index in self._ready)

    def _feed(self, index: int) -> None:
        """The life of a slot: a worker, and its successors."""
        pause = 0.0
        while not self._over():
            begun = time.monotonic()
            try:
                self._serve(index)
            except Exception as error:  # Whatever it is, the slot goes on with another worker.
                if self._stopping.is_set():
                    return
                trace = None if isinstance(error, WorkerLostError) else error
                _LOGGER.error("%s; another worker is started", error, exc_info=trace)
                self.restarts += 1
                alive = time.monotonic() - begun
                pause = 0.1 if alive > _LONGEST_PAUSE else min(_LONGEST_PAUSE, 2 * pause + 0.1)
                self._stopping.wait(pause)

    def _over(self) -> bool:
        return self._stopping.is_set() or (self.queue.closed and not len(self.queue))

    def _serve(self, index: int) -> None:
        """Serves with one worker until the queue is closed and empty.

        Raises:
            WorkerLostError: if the worker is lost; its jobs have failed then.
        """
        worker = WorkerProcess(threads=self._threads, max_pixels=self._settings.max_pixels)
        with self._state:
            self._workers[index] = worker
        lost = True
        try:
            while True:
                if not self._reconcile(index, worker):
                    self._stopping.wait(0.1)
                jobs = self.queue.take(
                    self._settings.max_batch, self._settings.max_wait, unless=lambda: self._differs(worker)
                )
                if jobs:
                    self._run(worker, jobs)
                elif self._over():
                    lost = False
                    return
        finally:
            with self._state:
                self._ready.discard(index)
                self._workers.pop(index, None)
                self._state.notify_all()
            worker.close(kill=lost)

    def _differs(self, worker: WorkerProcess) -> bool:
        with self._state:
            missing = self._wanted.keys() - self._failures.keys() - worker.loaded
            return bool(missing or worker.loaded - self._wanted.keys())

    def _reconcile(self, index: int, worker: WorkerProcess) -> bool:
        """Makes the worker hold the models that are wanted; those that serve already do so one after the other."""
        if self._differs(worker):
            if index in self._ready:
                with self._loading:
                    self._exchange(worker)
            else:
                self._exchange(worker)
        with self._state:
            complete = worker.loaded == set(self._wanted)
            if complete and index not in self._ready:
                self._ready.add(index)
                self._proved |= worker.loaded
            self._state.notify_all()
            return complete

    def _exchange(self, worker: WorkerProcess) -> None:
        with self._state:
            wanted = dict(self._wanted)
            failed = set(self._failures)
        for key in worker.loaded - wanted.keys():
            worker.unload(key)
        for key in wanted.keys() - worker.loaded - failed:
            error = worker.load(key, wanted[key])
            if error is not None and key in self._proved:
                raise WorkerLostError(f"worker {worker.pid} cannot load what others hold: {error}")
            if error is not None:
                with self._state:
                    self._failures[key] = error

    def _run(self, worker: WorkerProcess, jobs: Sequence[Job]) -> None:
        until = max(job.deadline for job in jobs) + _PATIENCE
        try:
            scored = worker.score(jobs[0].key, tuple(job.task for job in jobs), until=until)
        except BaseException as error:
            # Not tried again: an image that ends one worker would end the next one too.
            for job in jobs:
                job.future.set_exception(UnavailableError(f"{error}: send the image again"))
            raise
        if self._batch_done is not None:
            self._batch_done(jobs, scored.seconds)
        for job, result in zip(jobs, scored.results, strict=True):
            job.future.set_result(result)
