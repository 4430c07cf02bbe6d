from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing

import pytest

from utad.processes import failure_of, run_apart, shared_threads


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-S", "-c", code], text=True)


def test_so_many_run_at_a_time_and_all_come_back_with_their_end():
    running, most = set(), []

    def counted(task: int) -> subprocess.Popen[str]:
        running.add(task)
        most.append(len(running))
        return start(f"raise SystemExit({task})")

    codes = {}
    for task, process in run_apart([0, 1, 2, 3], counted, jobs=2):
        running.discard(task)
        codes[task] = process.returncode
    assert codes == {0: 0, 1: 1, 2: 2, 3: 3}
    assert max(most) == 2


def test_a_task_waits_for_those_that_it_may_not_run_beside():
    beside = []

    def may_start(task: str, running: list[str]) -> bool:
        if task in running:
            return False
        beside.append(list(running))
        return True

    tasks = ["a", "a", "b"]
    assert len(list(run_apart(tasks, lambda task: start("pass"), jobs=3, may_start=may_start))) == 3
    assert beside[:2] == [[], ["a"]]  # the second a came after b had been started beside the first
    assert "a" not in beside[2]


def test_closing_ends_those_that_run():
    started = []

    def sleeping(task: str) -> subprocess.Popen[str]:
        started.append(start(task))
        return started[-1]

    begun = time.monotonic()
    with closing(run_apart(["pass", "import time; time.sleep(100)"], sleeping, jobs=2)) as running:
        next(running)
    assert started[1].returncode == -15
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("pass", None),
        ("import sys; sys.exit('first\\nerror: last')", "error: last"),
        ("raise SystemExit(7)", "the process ended with code 7"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_the_reason_of_a_failure(tmp_path, code, reason):
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen([sys.executable, "-c", code], stderr=file, text=True)
    process.wait()
    assert failure_of(process, log) == reason


@pytest.mark.parametrize(("given", "jobs", "each"), [("8", 3, "2"), ("2", 4, "1"), ("", 2, "3"), ("x", 1, "6")])
def test_threads_are_divided(monkeypatch, given, jobs, each):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert shared_threads(jobs)["OMP_NUM_THREADS"] == each
