from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from tests import fabricate
from utad.serving.pool import WorkerPool
from utad.serving.settings import ServeSettings

KEY = ("part", 1)


def png(*, seed: int = 0, size: tuple[int, int] = (40, 48), defective: bool = False) -> bytes:
    """The content of an image file."""
    make = fabricate.defective if defective else fabricate.picture
    file = io.BytesIO()
    Image.fromarray(make(*size, seed=seed)).save(file, "PNG")
    return file.getvalue()


def wait_until(condition, seconds: float = 60.0) -> None:
    """Waits for what has to come true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def graph(run):
    """The exported graph beside the shared run."""
    return run / "openvino"


@pytest.fixture(scope="module")
def pool(graph):
    """One worker that is ready. A test may lose it, and leaves a ready one behind."""
    settings = ServeSettings(workers=1, threads=1, queue=16, max_wait=0.0)
    made = WorkerPool({KEY: graph}, settings)
    made.start()
    wait_until(lambda: made.ready or made.failures)
    assert not made.failures
    yield made
    made.stop(5.0)
