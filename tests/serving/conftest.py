from __future__ import annotations

import io
import shutil
import time

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests import fabricate
from utad.serving.application import create_app
from utad.serving.pool import WorkerPool
from utad.serving.safety import AccessPolicy
from utad.serving.service import Service
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


SETTINGS = ServeSettings(
    workers=1,
    threads=1,
    queue=4,
    max_files=3,
    max_wait=0.0,
    max_bytes=300_000,
    max_pixels=1_000_000,
    upload_seconds=1.0,
)
"""Limits that a test reaches quickly."""


@pytest.fixture(scope="session")
def own_run(run, tmp_path_factory):
    """A copy of the run, which a test may exchange for another state."""
    folder = tmp_path_factory.mktemp("served") / "part"
    return shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoints"))


@pytest.fixture(scope="session")
def client(own_run):
    """Asks an application in this process that serves one model, `part`, with one worker."""
    service = Service({"part": own_run}, SETTINGS)
    app = create_app(service, AccessPolicy("127.0.0.1"))
    with TestClient(app, base_url="http://localhost") as made:
        wait_until(lambda: service.ready)
        yield made
    assert not service.ready
    assert not service._store.exists()


@pytest.fixture
def service(client) -> Service:
    return client.app.state.service
