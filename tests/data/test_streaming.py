from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from tests import fabricate
from utad.data import streaming
from utad.data.streaming import in_order, iterate_batches, iterate_images
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
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("utad")]


def names(batches) -> list[list[str]]:
    return [[sample.name for sample, _ in batch] for batch in batches]


def samples_of(*shapes: tuple[int, int]) -> list[Sample]:
    return [Sample(str(index), fabricate.picture(*shape)) for index, shape in enumerate(shapes)]


def test_batches_keep_the_order_and_have_at_most_the_size():
    assert names(iterate_batches(samples_of(*[(4, 4)] * 5), 2)) == [["0", "1"], ["2", "3"], ["4"]]
    assert names(iterate_batches([], 2)) == []


def test_batches_of_images_that_are_alike_end_where_the_size_changes():
    samples = samples_of((4, 4), (4, 5), (4, 5), (4, 4))
    assert names(iterate_batches(samples, 8)) == [["0", "1", "2", "3"]]
    assert names(iterate_batches(samples, 8, same_size=True)) == [["0"], ["1", "2"], ["3"]]


def test_large_images_share_no_batch(monkeypatch):
    monkeypatch.setattr(streaming, "BATCH_PIXELS", 40)
    assert names(iterate_batches(samples_of((4, 5), (4, 5), (4, 5), (9, 9), (4, 5)), 8)) == [
        ["0", "1"],
        ["2"],
        ["3"],
        ["4"],
    ]


def test_an_unreadable_image_stands_in_its_batch(tmp_path):
    samples = [Sample("gone", tmp_path / "gone.png"), *samples_of((4, 4), (4, 4))]
    samples.insert(2, Sample("gone too", tmp_path / "gone.png"))
    (batch,) = iterate_batches(samples, 8, same_size=True)
    assert [isinstance(image, ImageReadError) for _, image in batch] == [True, False, True, False]


def test_little_is_read_ahead_where_images_are_large(monkeypatch):
    monkeypatch.setattr(streaming, "WAITING_PIXELS", 40)
    started: list[int] = []

    def size(item: int) -> int:
        started.append(item)
        return item

    stream = streaming.in_order(size, iter([20, 20, 20, 90, 10]), workers=4, pixels=lambda item: item)
    assert next(stream) == (20, 20)
    assert len(started) <= 2  # the third would be too much beside the first two
    assert [item for item, _ in stream] == [20, 20, 90, 10]


def test_a_stream_that_ends_in_one_of_its_own_threads_does_not_wait_for_that_thread():
    given_up, ended = threading.Event(), []

    def close(item: int) -> int:
        if item == 3:
            given_up.wait(10)
            try:
                stream.close()
            except RuntimeError as error:
                ended.append(error)
            else:
                ended.append(None)
        return item

    stream = in_order(close, range(50), workers=2)
    assert next(stream) == (0, 0)
    given_up.set()
    until = time.monotonic() + 10
    while not ended and time.monotonic() < until:
        time.sleep(0.01)
    assert ended == [None]
