from __future__ import annotations

import time
from threading import Thread

import pytest

from utad.errors import UnavailableError
from utad.serving.batching import Job, JobQueue
from utad.serving.messages import Task

A, B = ("a", 1), ("b", 1)


def job(key=A, *, name="image", seconds=60.0) -> Job:
    return Job(Task(name, b""), key, time.monotonic() + seconds)


def never() -> bool:
    return False


def test_more_jobs_than_the_bound_are_refused_as_a_whole():
    queue = JobQueue(3)
    queue.put([job(), job()])
    with pytest.raises(UnavailableError, match="2 of at most 3 images wait already, and 2 more"):
        queue.put([job(), job()])
    assert len(queue) == 2
    queue.put([job()])
    assert len(queue) == 3


def test_a_batch_is_of_one_model_and_in_order():
    queue = JobQueue(9)
    jobs = [job(A, name="1"), job(B, name="2"), job(A, name="3"), job(A, name="4"), job(B, name="5")]
    queue.put(jobs)
    assert queue.take(2, 0.0, unless=never) == [jobs[0], jobs[2]]
    assert queue.take(2, 0.0, unless=never) == [jobs[1], jobs[4]]
    assert queue.take(2, 0.0, unless=never) == [jobs[3]]


def test_a_batch_waits_for_more_jobs_as_long_as_it_may():
    queue = JobQueue(9)
    queue.put([job()])

    def later() -> None:
        time.sleep(0.05)
        queue.put([job()])

    thread = Thread(target=later)
    thread.start()
    assert len(queue.take(2, 30.0, unless=never)) == 2  # as soon as it is full, not after 30 s
    thread.join()
    queue.put([job()])
    begun = time.monotonic()
    assert len(queue.take(2, 0.1, unless=never)) == 1
    assert 0.09 < time.monotonic() - begun < 5.0


def test_what_is_too_late_fails_and_what_is_cancelled_is_left_out():
    queue = JobQueue(2)
    late, cancelled, good = job(seconds=-1.0), job(), job()
    queue.put([late, cancelled])
    cancelled.future.cancel()
    queue.put([good])  # there is room again
    assert queue.take(9, 0.0, unless=never) == [good]
    with pytest.raises(UnavailableError, match="deadline passed"):
        late.future.result(0)


def test_a_closed_queue_gives_what_it_holds_and_takes_no_more():
    queue = JobQueue(9)
    held = job()
    queue.put([held])
    queue.close()
    with pytest.raises(UnavailableError, match="shutting down"):
        queue.put([job()])
    assert queue.take(9, 10.0, unless=never) == [held]
    assert queue.take(9, 10.0, unless=never) == []


def test_waking_makes_the_reader_look_for_something_else():
    queue = JobQueue(9)
    something_else = []
    found = []
    reader = Thread(target=lambda: found.append(queue.take(9, 0.0, unless=lambda: bool(something_else))))
    reader.start()
    something_else.append(1)
    queue.wake()
    reader.join(10.0)
    assert found == [[]]


def test_failing_all_ends_every_job_that_waits():
    queue = JobQueue(9)
    waiting = [job(), job(B)]
    queue.put(waiting)
    queue.fail_all(UnavailableError("the end"))
    assert len(queue) == 0
    for one in waiting:
        with pytest.raises(UnavailableError, match="the end"):
            one.future.result(0)
