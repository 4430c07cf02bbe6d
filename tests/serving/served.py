"""A real server process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.serving.conftest import png

IMAGE = png(seed=3, defective=True)


class Server:
    """`utad serve` on a free port."""

    def __init__(self, log: Path, *arguments: str) -> None:
        code = "from utad.cli import main; main()"
        command = [sys.executable, "-c", code, "serve", *arguments, "--port", "0"]
        self.log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"serving (.*) at (http://127\.0\.0\.1:(\d+))\n", line)
        assert found, line + log.read_text()
        self.names, self.address, self.port = found[1], found[2], int(found[3])

    def ready(self) -> bool:
        return httpx.get(f"{self.address}/v2/health/ready").status_code == 200

    def predict(self, image: bytes = IMAGE) -> httpx.Response:
        return httpx.post(f"{self.address}/v1/predict?model=part", content=image, timeout=60)

    def workers(self) -> list[int]:
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
        return found

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextmanager
def served(log: Path, *arguments: str) -> Iterator[Server]:
    """A server that is killed in the end, if it has not ended."""
    made = Server(log, *arguments)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        made.process.stdout.close()
