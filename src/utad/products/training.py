"""Training the detectors of many products, each in a process of its own."""

from __future__ import annotations

import json
import logging
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO

from utad.files import output_errors
from utad.processes import failure_of, run_apart, shared_threads
from utad.products.folder import ProductFolder, data_of
from utad.progress import spoken

_LOGGER = logging.getLogger(__name__)


def train_products(folder: ProductFolder, command: Callable[[str], Sequence[str]], *, jobs: int) -> None:
    """Trains every product of the folder that is not trained; one that fails does not stop the others.

    Args:
        folder: entered; its index has the outcome of each.
        command: the command line that trains the product of a name and prints the JSON of `utad train`.
        jobs: processes at a time, which share the cores.

    Raises:
        OutputError: if the index cannot be written.
    """
    waiting, outputs = folder.waiting(), dict[str, IO[str]]()
    with ExitStack() as stack:

        def start(name: str) -> subprocess.Popen[str]:
            folder.begin(name)
            _LOGGER.info("%s: training, see %s", name, folder.log(name))
            # A file and no pipe: nobody reads it before the end.
            outputs[name] = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            with _opened(folder.log(name)) as log:
                return subprocess.Popen(
                    command(name),
                    stdin=subprocess.DEVNULL,
                    stdout=outputs[name],
                    stderr=log,
                    env=shared_threads(jobs),
                    text=True,
                )

        started = time.monotonic()
        running = stack.enter_context(closing(run_apart(waiting, start, jobs=jobs)))
        for ended, (name, process) in enumerate(running, start=1):
            _take(folder, name, failure_of(process, folder.log(name)), outputs.pop(name))
            left = (time.monotonic() - started) / ended * (len(waiting) - ended)
            if ended < len(waiting):
                _LOGGER.info("%d of %d products done, about %s left", ended, len(waiting), spoken(left))


def _opened(log: Path) -> IO[str]:
    with output_errors(log):
        log.parent.mkdir(exist_ok=True)
        return log.open("w", encoding="utf-8")


def _take(folder: ProductFolder, name: str, error: str | None, output: IO[str]) -> None:
    """Puts the outcome of a process into the index."""
    if error is not None:
        error = error.removeprefix("error: ")
        folder.fail(name, error)
        _LOGGER.error("%s: failed: %s", name, error)
        return
    output.seek(0)
    report = json.loads(output.read().strip().splitlines()[-1])
    data = data_of(report)
    folder.finish(name, threshold=report["threshold"], seconds=report["seconds"], data=data)
    _LOGGER.info("%s: trained on %d images in %s", name, data.n_images, spoken(report["seconds"]))
