"""A server in a process of its own, `utad serve` above all, and what the system and its metrics say of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from measuring.workers import environment_of

MODEL = "part"
"""The name that the model is served by."""

START_SECONDS = 120.0
"""For the server to be ready."""

_END_SECONDS = 60.0
_LINE = re.compile(r"serving .* at http://127\.0\.0\.1:(\d+)\n")


class ServerError(RuntimeError):
    """The server did not start, or ended."""


@dataclass(frozen=True)
class Resources:
    """What the processes of a server hold.

    Attributes:
        descriptors: open files and sockets of all of them.
        threads: of all of them.
        memory: resident, in KB, by process: `server`, and each worker by its number.
    """

    descriptors: int
    threads: int
    memory: Mapping[str, int]


class ServerProcess:
    """A server on a free port of loopback; it is ended with the block.

    Args:
        command: that starts it, and prints `serving WHAT at http://127.0.0.1:PORT` first.
        log: a file for what it has to say.

    Attributes:
        port: on loopback.

    Raises:
        ServerError: if it does not start.
    """

    def __init__(self, command: Sequence[str], *, log: Path) -> None:
        self._log = log
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env=environment_of(None),
            )
        assert self._process.stdout is not None
        found = _LINE.fullmatch(self._process.stdout.readline())
        if found is None:
            self._end()
            raise ServerError(f"the server did not start: {self.log}")
        self.port = int(found[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._end()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Waits for what has to come true.

        Raises:
            ServerError: if it does not in time, or the server ends.
        """
        until = time.monotonic() + seconds
        while True:
            if self._process.poll() is not None:
                raise ServerError(f"the server ended with {self._process.returncode}: {self.log}")
            if condition():
                return
            if time.monotonic() > until:
                raise ServerError(f"the server is not {what} within {seconds:.0f} s: {self.log}")
            time.sleep(0.01)

    def _end(self) -> None:
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class ServedProcess(ServerProcess):
    """`utad serve` with one model, `MODEL`.

    Args:
        model: a run or an exported folder.
        options: of `utad serve`.
        log: a file for what it has to say.

    Raises:
        ServerError: if it does not start.
    """

    def __init__(self, model: Path, *options: str, log: Path) -> None:
        command = [sys.executable, "-c", "from utad.cli import main; main()", "serve", f"{MODEL}={model}", *options]
        super().__init__([*command, "--port", "0"], log=log)

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers, the oldest first."""
        return sorted(pid for pid in self._children() if "spawn_main" in _command_of(pid))

    def wait_until_ready(self) -> None:
        """Waits until a worker has passed its warm-up inference.

        Raises:
            ServerError: if that takes too long.
        """
        self.wait_for(lambda: self.metrics()["utad_ready"] == 1.0, START_SECONDS, "ready")

    def metrics(self) -> dict[str, float]:
        """Every value of /metrics, as `metrics_of` names them."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            return metrics_of(answer.read().decode())

    def resources(self) -> Resources:
        """What its processes hold now."""
        pids = [self._process.pid, *self._children()]
        memory = {"server": _status_of(self._process.pid, "VmRSS")}
        memory |= {f"worker {number}": _status_of(pid, "VmRSS") for number, pid in enumerate(self.workers, 1)}
        return Resources(
            descriptors=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
            threads=sum(_status_of(pid, "Threads") for pid in pids),
            memory=memory,
        )

    def _children(self) -> list[int]:
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text(encoding="utf-8").split()]


def metrics_of(text: str) -> dict[str, float]:
    """The values of a page of Prometheus, each by its name with its labels in order: `name{label=value,...}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def _command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


def _status_of(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise ServerError(f"process {pid} has ended")
