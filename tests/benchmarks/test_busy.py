from __future__ import annotations

import argparse
import os
import time

import pytest

import busy


def test_busy_processes_are_pinned_and_end_with_the_block(monkeypatch):
    pinned = {}
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: pinned.setdefault(pid, cores))
    with busy.busy_processes(2, pinned=True):
        assert len(pinned) == 2
        assert set(map(frozenset, pinned.values())) == {frozenset({max(os.sched_getaffinity(0))})}
        assert all(os.path.exists(f"/proc/{pid}") for pid in pinned)
    time.sleep(0.1)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pinned)


def test_variants_and_cases_take_turns_and_are_compared_with_the_same_variant_alone(monkeypatch):
    beside, calls = [0], []

    @busy.contextmanager
    def pretended(count, *, pinned):
        beside[0] = count
        yield

    def seconds(variant):
        calls.append((tuple(variant), beside[0]))
        return (10.0 if variant else 20.0) * (1 + beside[0])

    monkeypatch.setattr(busy, "busy_processes", pretended)
    monkeypatch.setattr(busy, "train_seconds", seconds)
    found = busy.measure({"default": {}, "A=1": {"A": "1"}}, list(busy.CASES), 2)
    assert calls[:6] == calls[6:] == [((), 0), ((), 1), ((), 3), (("A",), 0), (("A",), 1), (("A",), 3)]
    assert [case["ratio"] for case in found["default"].values()] == [1.0, 2.0, 4.0]
    assert found["A=1"]["3, not pinned"] == {"median_s": 40.0, "range_s": [40.0, 40.0], "n": 2, "ratio": 4.0}


def test_variants_are_read_from_the_command_line():
    assert busy.variant_of("OMP_WAIT_POLICY=PASSIVE,GOMP_SPINCOUNT=0") == {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
    }
    with pytest.raises(argparse.ArgumentTypeError, match="expected NAME=VALUE"):
        busy.variant_of("OMP_WAIT_POLICY")
