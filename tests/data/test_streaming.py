from __future__ import annotations

import threading

import numpy as np
import pytest

from tests import fabricate
from utad.data import streaming
from utad.data.streaming import iterate_images
from utad.errors import ImageReadError, InputError
from utad.types import Sample


def test_at_least_one_worker_is_needed():
    with pytest.raises(InputError, match="0 workers"):
        iterate_images([Sample("x", fabricate.picture(4, 4))], workers=0)


def test_iterate_yields_images_and_errors_in_order(tmp_path):
    samples = [
        Sample(f"{i}.png", fabricate.save(tmp_path / f"{i}.png", fabricate.picture(20, 24, seed=i))) for i in range(5)
    ]
    samples.insert(2, Sample("gone", tmp_path / "gone.png"))
    results = list(iterate_images(samples, workers=2))
    assert [sample.name for sample, _ in results] == [sample.name for sample in samples]
    assert isinstance(results[2][1], ImageReadError)
    assert np.array_equal(results[5][1], fabricate.picture(20, 24, seed=4))


def test_iterate_reads_only_a_few_ahead_and_stops_when_left(monkeypatch):
    started: list[str] = []
    lock = threading.Lock()

    def counting(sample: Sample, *, max_pixels: int) -> np.ndarray:
        with lock:
            started.append(sample.name)
        return sample.image

    monkeypatch.setattr(streaming, "load_image", counting)
    samples = [Sample(str(i), fabricate.picture(4, 4)) for i in range(200)]
    stream = iterate_images(samples, workers=3)
    for taken in range(1, 11):
        next(stream)
        assert len(started) <= taken + 2 * 3
    stream.close()
    assert len(started) <= 16
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("utad-read")]
