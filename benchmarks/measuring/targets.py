"""The figures that issue 5 asks for, beside what was measured; None where a run did not measure one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BATCH = 16


def speed_targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets of `speed.py`, from its results."""
    fast = results["presets"].get("fast", {})
    whole = {batch: part["parts"]["whole"] for batch, part in fast.get("scoring", {}).items()}
    latency, start = results.get("latency", {}), results.get("start_up", {})
    return [
        at_most("`fast`, training elpv-mono from start to model file", 240, _get(fast, "training_run", "seconds"), "s"),
        at_most("`fast`, one image at batch 1, eager", 40, _get(whole, "1", "median_ms"), "ms"),
        *(
            at_most(f"`{preset}`, one image at batch 1, OpenVINO {precision}", limit, value, "ms")
            for preset, precision, limit in (("fast", "fp32", 25), ("fast", "bf16", 15), ("balanced", "fp32", 90))
            for value in [_get(latency, f"{preset}-openvino-{precision}", "median_ms")]
        ),
        at_least(
            "`fast`, folder of JPEG of 300 x 300, decode to CSV", 50, _get(fast, "folder", "images_per_second"), "/s"
        ),
        *(
            at_most(f"`{preset}`, time over the arithmetic floor, batch {BATCH}, {shown}", 2.0, value, "")
            for preset in results["presets"]
            for shown, value in (
                ("its fastest fp32 runtime", _lowest_ratio(results, preset)),
                ("eager fp32", _get(results, f"batch_{BATCH}", "runtimes", f"{preset}-eager-fp32", "ratio")),
            )
        ),
        at_most(
            "`fast`, peak memory of scoring the large folder over that of 100 images",
            1.1,
            _get(fast, "memory_growth", "ratio"),
            "",
        ),
        at_most(
            "`utad predict` on an OpenVINO export, whole process with the first score",
            2.0,
            _get(start, "fast-openvino-fp32", "median_s"),
            "s",
        ),
    ]


def preset_of(name: str) -> str:
    """The preset of `PRESET-RUNTIME-PRECISION`; its own name may hold a hyphen."""
    return name.rsplit("-", 2)[0]


def _lowest_ratio(results: Mapping[str, Any], preset: str) -> float | None:
    runtimes = _get(results, f"batch_{BATCH}", "runtimes") or {}
    ratios = [run["ratio"] for name, run in runtimes.items() if preset_of(name) == preset and name.endswith("-fp32")]
    return min(ratios, default=None)


def peer_targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets of `peers.py`, from its results."""
    methods = results["methods"]
    peers = {name: method["median_ms"] for name, method in methods.items() if method["family"] == "anomalib"}
    own = {
        preset: min(
            (m["median_ms"] for m in methods.values() if m.get("preset") == preset and m.get("precision") == "fp32"),
            default=None,
        )
        for preset in ("fast", "balanced")
    }
    fastest = min(peers.values(), default=None)
    return [
        at_most("`fast`, its fastest fp32 runtime, over the fastest peer", 0.5, _over(own["fast"], fastest), ""),
        at_most(
            "`balanced`, its fastest fp32 runtime, over PaDiM ResNet-18",
            1.0,
            _over(own["balanced"], peers.get("PaDiM ResNet-18")),
            "",
        ),
    ]


def parity_targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets of `parity.py`, from its results: of all categories together."""
    rows = []
    for name, shown in (("onnx-fp32", "ONNX fp32"), ("openvino-fp32", "OpenVINO fp32")):
        exports = [category["exports"][name] for category in results["categories"].values()]
        images = sum(export["n_images"] for export in exports)
        largest = max((export["score"] for export in exports), default=None)
        flipped = sum(export["labels_flipped"] for export in exports) if exports else None
        rows += [
            at_most(f"largest relative difference of scores, eager against {shown}", 1e-3, largest, ""),
            at_most(f"labels flipped of {images}, eager against {shown}", 0, flipped, ""),
        ]
    return rows


def at_most(figure: str, limit: float, measured: float | None, unit: str) -> dict[str, Any]:
    """A figure that should not exceed its limit."""
    return _row(figure, "at most", limit, measured, unit, met=measured is not None and measured <= limit)


def at_least(figure: str, limit: float, measured: float | None, unit: str) -> dict[str, Any]:
    """A figure that should reach its limit."""
    return _row(figure, "at least", limit, measured, unit, met=measured is not None and measured >= limit)


def _row(figure: str, bound: str, limit: float, measured: float | None, unit: str, *, met: bool) -> dict[str, Any]:
    return {
        "figure": figure,
        "target": f"{bound} {limit:g} {unit}".strip(),
        "measured": measured,
        "unit": unit,
        "met": met if measured is not None else None,
    }


def _get(values: Mapping[str, Any], *keys: str) -> Any:
    found: Any = values
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _over(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else round(value / base, 3)
