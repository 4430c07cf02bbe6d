"""The one queue in front of the workers: bounded, with deadlines, and read in batches of one model."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from utad.errors import UnavailableError
from utad.serving.messages import Answer, ModelKey, Refusal, Task

Result = Answer | Refusal


@dataclass(frozen=True, eq=False)
class Job:
    """One image that waits for a worker.

    Attributes:
        task: what is to be done.
        key: of the model.
        deadline: on the clock of `time.monotonic`; later the answer is of no use.
        future: that the answer goes to; who cancels it needs none any more.
        arrived: on the same clock.
    """

    task: Task
    key: ModelKey
    deadline: float
    future: Future[Result] = field(default_factory=Future, repr=False)
    arrived: float = field(default_factory=time.monotonic)


class JobQueue:
    """Jobs in the order in which they came, at most `bound` of them; for several threads.

    Args:
        bound: most jobs that wait.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._jobs: deque[Job] = deque()
        self._changed = Condition()
        self._closed = False

    def __len__(self) -> int:
        with self._changed:
            self._forget()
            return len(self._jobs)

    def put(self, jobs: Sequence[Job]) -> None:
        """Takes all of the jobs or none.

        Raises:
            UnavailableError: if there is no room for them, or the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise UnavailableError("the server is shutting down and takes no more requests")
            self._forget()
            if len(self._jobs) + len(jobs) > self.bound:
                raise UnavailableError(
                    f"{len(self._jobs)} of at most {self.bound} images wait already, and {len(jobs)} more were sent: "
                    "send them again later"
                )
            self._jobs.extend(jobs)
            self._changed.notify_all()

    def take(self, most: int, max_wait: float, *, unless: Callable[[], bool]) -> list[Job]:
        """The next jobs of one model, at most `most` of them; waits for the first, and up to `max_wait` for others.

        Args:
            most: jobs.
            max_wait: seconds after the first one.
            unless: tells, after each `wake`, whether there is something else to do; then the list may be empty.

        Returns:
            Jobs whose futures run, so that they cannot be cancelled any more. Empty when the queue is closed.
        """
        with self._changed:
            while True:
                if unless():
                    return []
                self._forget()
                if self._jobs:
                    break
                if self._closed:
                    return []
                self._changed.wait()
            key = self._jobs[0].key
            until = time.monotonic() + max_wait
            while self._count(key) < most and not self._closed:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    break
            taken: list[Job] = []
            for job in list(self._jobs):
                if job.key == key and len(taken) < most:
                    self._jobs.remove(job)
                    if job.future.set_running_or_notify_cancel():
                        taken.append(job)
            self._changed.notify_all()
            return taken

    def count(self, key: ModelKey) -> int:
        """How many jobs wait for this model."""
        with self._changed:
            self._forget()
            return self._count(key)

    def wake(self) -> None:
        """Makes everyone who waits in `take` look whether there is something else to do."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Takes no more jobs; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail_all(self, error: Exception) -> None:
        """Ends every job that waits with this error."""
        with self._changed:
            jobs, self._jobs = list(self._jobs), deque()
        for job in jobs:
            _fail(job, error)

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed

    def _count(self, key: ModelKey) -> int:
        return sum(job.key == key for job in self._jobs)

    def _forget(self) -> None:
        """Drops what nobody waits for any more, and fails what is too late."""
        now = time.monotonic()
        for job in list(self._jobs):
            if job.future.cancelled():
                self._jobs.remove(job)
            elif job.deadline <= now:
                self._jobs.remove(job)
                _fail(job, UnavailableError("the deadline passed before a worker was free: send it again later"))


def _fail(job: Job, error: Exception) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)
