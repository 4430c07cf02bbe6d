from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests import fabricate
from utad import UTAD

TINY = (
    "image.size=64",
    "ie_training.steps=4",
    "expert_training.steps=4",
    "scoring.coreset_size=50",
    "calibration.corrupted_images=20",
    "scoring.terms=[input,residual,neighbours]",
    "precision=fp32",
)
"""Settings under which a detector trains in seconds."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """A folder with normal/ and abnormal/ images; those in abnormal/ have a square that does not belong there."""
    return fabricate.normal_abnormal(tmp_path_factory.mktemp("parts") / "teile für utad", n_normal=16, n_abnormal=4)


@pytest.fixture(scope="session")
def run(parts, tmp_path_factory):
    """The folder of a finished run on `parts`."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run") / "run"
    UTAD(overrides=TINY).fit(parts, output=folder)
    return folder


@pytest.fixture
def detector(run) -> UTAD:
    return UTAD.load(run)
