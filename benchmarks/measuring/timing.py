"""Clocks, memory, and the arithmetic roofline."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

GEMM_SIDE = 2048
"""Side of the GEMM whose rate the roofline rests on: large enough to leave the caches and to fill the vector units."""

Action = Callable[[], object]


def summary(seconds: Sequence[float], *, images: int = 1) -> dict[str, Any]:
    """Median and quartiles in milliseconds per image, and how many repetitions they rest on.

    Args:
        seconds: one for each repetition.
        images: that each repetition handles.
    """
    per_image = sorted(1000 * value / images for value in seconds)
    low, _, high = statistics.quantiles(per_image, n=4, method="inclusive") if len(per_image) > 1 else per_image * 3
    return {
        "median_ms": round(statistics.median(per_image), 4),
        "quartiles_ms": [round(low, 4), round(high, 4)],
        "n": len(per_image),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many percent do not exceed."""
    return float(np.percentile(values, share))


def alternate(actions: Mapping[str, Action], rounds: int, *, warm_up: int = 2) -> dict[str, list[float]]:
    """Seconds of every action in every round; the actions take turns, so that what disturbs one disturbs all.

    Args:
        actions: by name.
        rounds: that are timed.
        warm_up: rounds before, that are not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for index in range(warm_up + rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            elapsed = time.perf_counter() - start
            if index >= warm_up:
                seconds[name].append(elapsed)
    return seconds


def multiply_adds(action: Action) -> int:
    """Multiply-adds of the convolutions and matrix products of one call; elementwise work is not counted."""
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops() // 2


def gemm(dtype: torch.dtype = torch.float32) -> Action:
    """The GEMM (large matrix product) that sets the rate.

    It writes into memory that is there already: fetching pages is no arithmetic.
    """
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(GEMM_SIDE, GEMM_SIDE, generator=generator).to(dtype) for _ in range(2))
    product = torch.empty(GEMM_SIDE, GEMM_SIDE, dtype=dtype)
    return lambda: torch.mm(left, right, out=product)


def multiply_add_rate(seconds: Sequence[float]) -> float:
    """Multiply-adds per second of `gemm`, from its median."""
    return GEMM_SIDE**3 / statistics.median(seconds)


def with_roofline(timing: Mapping[str, Any], count: int, rate: float) -> dict[str, Any]:
    """A summary with its count of multiply-adds per image, the time they take at the rate, and the ratio of both."""
    roofline = 1000 * count / rate
    ratio = round(timing["median_ms"] / roofline, 2) if count else None
    return {**timing, "multiply_adds": count, "roofline_ms": round(roofline, 4), "ratio": ratio}


def peak_memory_mb() -> float:
    """The highest resident memory of this process so far.

    `ru_maxrss` would do, were it not inherited from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What a function of a module returns, called in a process of its own, and that process's peak memory in MB."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        result, peak = pool.submit(_with_peak, function, arguments).result()
        return result, round(peak, 1)


def _with_peak(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, float]:
    return function(*arguments), peak_memory_mb()
