from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator

import pytest
import torch

from tests import fabricate
from utad import UTAD

TINY = (
    "image.size=64",
    "ie_training.steps=4",
    "expert_training.steps=4",
    "feature_training.steps=4",
    "feature_training.examples=16",
    "scoring.coreset_size=50",
    "calibration.synthetic_anomalies=20",
    "scoring.components=[input,restored,residual,neighbours]",
    "precision=fp32",
)
"""Settings under which a detector trains in seconds."""

SHORTEST = (
    *("image.size=32", "ie_training.steps=2", "expert_training.steps=2", "feature_training.steps=2"),
    *("feature_training.examples=16", "calibration.synthetic_anomalies=20"),
)
"""The same where nothing depends on what is learned."""


_crash_report = -1


def pytest_configure() -> None:
    """Keeps the true standard error, which the capture of output takes away later, for the stack of a crash."""
    global _crash_report
    _crash_report = os.dup(2)


@pytest.fixture(autouse=True)
def stack_of_a_crash() -> None:
    """Lightning's end of a training sets every signal to what Python knows of it, which ends pytest's faulthandler."""
    faulthandler.disable()
    faulthandler.enable(file=_crash_report)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more to waiting for each other's threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def one_seed() -> Iterator[None]:
    """What a test draws does not depend on the tests before it, nor changes those after it; it may set the threads."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """A folder with normal/ and abnormal/ images; those in abnormal/ have a square that does not belong there."""
    return fabricate.normal_abnormal(tmp_path_factory.mktemp("parts") / "teile für utad", n_normal=16, n_abnormal=4)


@pytest.fixture(scope="session")
def run(parts, tmp_path_factory):
    """The folder of a finished run on `parts`."""
    folder = tmp_path_factory.mktemp("run") / "run"
    UTAD(overrides=TINY).fit(parts, output=folder)
    return folder


@pytest.fixture
def detector(run) -> UTAD:
    return UTAD.load(run)
