"""Tasks in processes of their own: some at a time, with the threads of the computer divided among them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TypeVar

_Task = TypeVar("_Task")

_THREADS = "OMP_NUM_THREADS"
_POLL_SECONDS = 0.2
_PATIENCE = 30.0
"""Seconds that processes have to end when they are asked to."""


def run_apart(
    tasks: Sequence[_Task],
    start: Callable[[_Task], subprocess.Popen[str]],
    *,
    jobs: int,
    may_start: Callable[[_Task, Sequence[_Task]], bool] | None = None,
) -> Generator[tuple[_Task, subprocess.Popen[str]], None, None]:
    """Each task with its process, once that has ended; close it (`contextlib.closing`) to end those that run.

    Args:
        tasks: in the order in which they are started.
        start: starts one.
        jobs: processes at a time.
        may_start: whether a task may run beside those that do; it is asked again when one of them has
            ended. None if any may.
    """
    waiting = list(tasks)
    running: list[tuple[_Task, subprocess.Popen[str]]] = []
    try:
        while waiting or running:
            while len(running) < jobs:
                at_work = [task for task, _ in running]
                task = next((task for task in waiting if may_start is None or may_start(task, at_work)), None)
                if task is None:
                    break
                waiting.remove(task)
                running.append((task, start(task)))
            ended = [pair for pair in running if pair[1].poll() is not None]
            running = [pair for pair in running if pair not in ended]
            yield from ended
            time.sleep(0 if ended else _POLL_SECONDS)
    finally:
        _end([process for _, process in running])


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + _PATIENCE
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def shared_threads(jobs: int) -> dict[str, str]:
    """The environment of each of so many processes that share the cores, or the threads that the user allows."""
    given = os.environ.get(_THREADS, "")
    threads = int(given) if given.isdecimal() else os.cpu_count() or 1
    return {**os.environ, _THREADS: str(max(1, threads // jobs))}


def failure_of(process: subprocess.Popen[str], log: Path) -> str | None:
    """Why a process failed, None if it did not: the last line of what it said on stderr, or the signal.

    Args:
        process: that has ended.
        log: what it said.
    """
    if process.returncode == 0:
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"the process ended with code {process.returncode}"
    return reason if process.returncode > 0 else f"killed by signal {-process.returncode}"
