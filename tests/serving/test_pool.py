"""Real worker processes, and real signals to them."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from tests import fabricate
from tests.serving.conftest import KEY, png, wait_until
from utad import load_detector
from utad.errors import ModelFileError, UnavailableError
from utad.export.manifest import GRAPH_NAMES
from utad.serving.messages import Answer, Refusal, Task
from utad.serving.pool import WorkerPool
from utad.serving.settings import ServeSettings


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


def test_workers_give_the_scores_of_the_python_api(pool, graph):
    images = [fabricate.picture(50, 70, seed=1), fabricate.defective(seed=2)]
    expected = load_detector(graph, threads=1).predict(images)
    tasks = [Task(str(index), image, ("map", "mask"), ("anomaly_map",)) for index, image in enumerate(images)]
    for future, prediction in zip(pool.submit(KEY, tasks, deadline=soon()), expected, strict=True):
        answer = future.result(60)
        assert answer.pred_score == pytest.approx(prediction.pred_score, rel=1e-6)
        assert (answer.pred_label, answer.band, answer.threshold) == (
            prediction.pred_label,
            prediction.band,
            prediction.threshold,
        )
        assert answer.regions == [region.as_dict() for region in prediction.regions]
        np.testing.assert_allclose(answer.arrays["anomaly_map"], prediction.anomaly_map, rtol=1e-5, atol=1e-6)
        assert set(answer.pictures) == {"map", "mask"}


def test_what_is_wrong_with_one_image_is_said_of_it_alone(pool):
    sixteen = np.full((40, 48), 30001, np.uint16)
    tasks = [
        Task("good", png()),
        Task("text", b"no image"),
        Task("empty", b""),
        Task("deep", fabricate_png16(sixteen)),
        Task("cut", png()[:200]),
    ]
    results = [future.result(60) for future in pool.submit(KEY, tasks, deadline=soon())]
    assert isinstance(results[0], Answer)
    assert [type(result) for result in results[1:]] == [Refusal, Refusal, Answer, Refusal]
    assert "not a readable image" in results[1].message
    assert "empty: got no bytes" in results[2].message
    assert results[4].message.startswith("cut: ")


def fabricate_png16(pixels: np.ndarray) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_worker_never_imports_torch(pool):
    for pid in pool.pids:
        with open(f"/proc/{pid}/maps") as maps:
            text = maps.read()
        assert "openvino" in text
        assert "libtorch" not in text


def test_of_a_worker_that_is_killed_in_a_batch_only_its_requests_fail(pool):
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)  # so that the batch is surely in hand
    futures = pool.submit(KEY, [Task("in hand", png())], deadline=soon())
    wait_until(lambda: not len(pool.queue))
    waiting = pool.submit(KEY, [Task("waits", png())], deadline=soon())
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UnavailableError, match="ended unexpectedly: send the image again"):
        futures[0].result(30)
    assert isinstance(waiting[0].result(60), Answer)  # by the worker that took its place
    assert pool.pids != (pid,)
    assert pool.restarts >= 1


def test_a_worker_that_hangs_is_replaced(pool):
    wait_until(lambda: pool.ready)
    (pid,) = pool.pids
    before = pool.restarts
    os.kill(pid, signal.SIGSTOP)
    # More than fits into the pipe, so that it is the sending that hangs.
    futures = pool.submit(KEY, [Task("late", bytes(2**22))], deadline=soon(0.2))
    with pytest.raises(UnavailableError, match="did not answer within 2 s"):
        futures[0].result(30)
    wait_until(lambda: pool.ready)
    assert pool.restarts == before + 1
    assert not os.path.exists(f"/proc/{pid}")
    assert isinstance(pool.submit(KEY, [Task("again", png())], deadline=soon())[0].result(60), Answer)


def test_workers_leave_signals_of_the_group_to_the_server(pool):
    wait_until(lambda: pool.ready)
    before = pool.pids
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(before[0], number)
    assert isinstance(pool.submit(KEY, [Task("image", png())], deadline=soon())[0].result(60), Answer)
    assert pool.pids == before


def test_a_model_is_added_and_taken_away_while_others_are_served(pool, graph):
    wait_until(lambda: pool.ready)
    new = ("part", 2)
    pool.load(new, graph)
    both = [pool.submit(key, [Task("image", png())], deadline=soon())[0].result(60) for key in (KEY, new)]
    assert both[0].pred_score == both[1].pred_score
    pool.unload(new)
    assert isinstance(pool.submit(KEY, [Task("image", png())], deadline=soon())[0].result(60), Answer)


def test_a_damaged_model_is_refused_and_the_others_go_on(pool, graph, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("manifest.json", *GRAPH_NAMES["openvino"]):
        content = bytearray((graph / name).read_bytes())
        content[len(content) // 2] ^= 1
        (damaged / name).write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        pool.load(("part", 3), damaged)
    assert isinstance(pool.submit(KEY, [Task("image", png())], deadline=soon())[0].result(60), Answer)


def test_a_pool_whose_only_model_is_damaged_says_so_and_takes_nothing(graph, tmp_path):
    pool = WorkerPool({KEY: tmp_path}, ServeSettings(workers=1, threads=1))
    pool.start()
    wait_until(lambda: pool.failures)
    assert "holds no manifest.json" in pool.failures[KEY]
    with pytest.raises(UnavailableError, match="no worker is ready yet"):
        pool.submit(KEY, [Task("image", png())], deadline=soon())
    assert pool.stop(5.0)


def test_stopping_finishes_what_waits(graph):
    pool = WorkerPool({KEY: graph}, ServeSettings(workers=1, threads=1, max_batch=1))
    pool.start()
    wait_until(lambda: pool.ready)
    (pid,) = pool.pids
    futures = pool.submit(KEY, [Task(str(index), png(seed=index)) for index in range(6)], deadline=soon())
    assert pool.stop(60.0)
    assert all(isinstance(future.result(0), Answer) for future in futures)
    assert not os.path.exists(f"/proc/{pid}")
    with pytest.raises(UnavailableError, match="shutting down"):
        pool.submit(KEY, [Task("late", png())], deadline=soon())
