"""The other end of `answering`: methods in processes of their own, asked in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent
REPETITIONS = 3
"""Timed in each round; the median of all rounds counts."""


class WorkerError(RuntimeError):
    """A worker ended or could not do what it was asked to."""


def environment_of(source: Path | None) -> dict[str, str]:
    """The environment of a process that imports these scripts, and the utad of a source tree, if one is given."""
    folders = [str(HERE.parent), str(source.resolve() / "src") if source else "", os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}


@dataclass(frozen=True)
class Detector:
    """A detector to time.

    Attributes:
        path: the folder of a run, a model file or an exported folder.
        eager: scored in PyTorch, whatever graph is there.
        source: the source tree whose utad scores it; None for the installed one.
    """

    path: Path
    eager: bool = False
    source: Path | None = None


class Worker:
    """One process that answers.

    Args:
        script: file in this folder.
        arguments: of the script.
        python: of the environment to run it in.
        source: the source tree whose utad it imports; None for the installed one.
    """

    def __init__(
        self, script: str, arguments: Sequence[str], python: str = sys.executable, *, source: Path | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=environment_of(source),
        )
        self.script = script
        self.facts = self._read()

    @property
    def actions(self) -> list[str]:
        """What it can be asked for."""
        return list(self.facts["ready"])

    def ask(self, action: str, repetitions: int = REPETITIONS) -> list[float]:
        """Seconds of each repetition.

        Raises:
            WorkerError: with what the worker says went wrong.
        """
        assert self._process.stdin is not None
        if self._process.poll() is not None:
            raise WorkerError(f"{self.script} has ended with code {self._process.returncode}")
        self._process.stdin.write(json.dumps({"action": action, "repetitions": repetitions}) + "\n")
        self._process.stdin.flush()
        reply = self._read()
        if "error" in reply:
            raise WorkerError(reply["error"])
        return list(reply["seconds"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # closes its stdin, which ends it, and both pipes

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            code = self._process.returncode
            raise WorkerError(f"{self.script} ended with code {code} and no answer; its messages are above")
        reply: dict[str, Any] = json.loads(line)
        return reply


@dataclass(frozen=True)
class Method:
    """Something to time: its name in the results, and who does it under which name."""

    name: str
    worker: Worker
    action: str


def take_turns(methods: Sequence[Method], rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each method over all rounds, and the reasons of those that failed.

    In every round each method is asked once, so that all of them run in the same span of time.
    """
    seconds: dict[str, list[float]] = {method.name: [] for method in methods}
    failures: dict[str, str] = {}
    for _ in range(rounds):
        for method in methods:
            if method.name in failures:
                continue
            try:
                seconds[method.name] += method.worker.ask(method.action)
            except WorkerError as error:
                failures[method.name] = str(error)
    return {name: values for name, values in seconds.items() if name not in failures}, failures


def start_utad(
    detectors: Mapping[str, Detector], images: Path, stack: ExitStack
) -> tuple[dict[str, Worker], dict[str, str]]:
    """A process for each detector, and the reasons of those that could not be loaded.

    Args:
        detectors: by name.
        images: file of the images that are scored.
        stack: ends the processes.
    """
    workers: dict[str, Worker] = {}
    failures: dict[str, str] = {}
    for name, detector in detectors.items():
        arguments = [str(detector.path), str(images), *(["--eager"] if detector.eager else [])]
        try:
            worker = Worker("utad_worker.py", arguments, source=detector.source)
        except WorkerError as error:
            failures[name] = str(error)
        else:
            workers[name] = stack.enter_context(worker)
    return workers, failures


def names_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The failures that a worker reports of methods it could not build."""
    return {str(name): str(reason) for name, reason in facts.get("failures", {}).items()}
