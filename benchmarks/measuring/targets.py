"""The figures that the project aims at, beside what was measured; None where a run did not measure one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BATCH = 16


def speed_targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets of `speed.py`, from its results."""
    fast, latency = results["presets"].get("fast", {}), results.get("latency", {})
    growth = _get(fast, "memory_growth", "ratio")
    return [
        *(
            at_most(f"`{preset}`, one image at batch 1, {shown}", limit, _get(latency, name, "median_ms"), "ms")
            for preset, shown, limit, name in (
                ("fast", "default route of `utad predict`", 10, "fast-default"),
                ("fast", "OpenVINO bf16", 15, "fast-openvino-bf16"),
                ("fast", "eager PyTorch", 40, "fast-eager-fp32"),
                ("balanced", "default route, OpenVINO fp32", 90, "balanced-default"),
            )
        ),
        at_least(
            "`fast`, folder of JPEG of 300 x 300, decode to CSV", 70, _get(fast, "folder", "images_per_second"), "/s"
        ),
        at_most(
            "`fast`, `utad predict RUN IMAGE`, whole process with the first score",
            1.2,
            _get(results, "start_up", "fast-default", "median_s"),
            "s",
        ),
        at_most(
            "`fast`, training elpv-mono from start to model and graph", 240, _get(fast, "training_run", "seconds"), "s"
        ),
        at_most("`fast`, what the graph adds to training", 15, _get(fast, "export_seconds", "median_s"), "s"),
        *(
            at_most(f"`{preset}`, time over the arithmetic roofline, batch {BATCH}, {shown}", 2.0, value, "")
            for preset in results["presets"]
            for shown, value in (
                ("its fastest fp32 runtime", _lowest_ratio(results, preset)),
                ("eager fp32", _get(results, f"batch_{BATCH}", "runtimes", f"{preset}-eager-fp32", "ratio")),
            )
        ),
        at_most("`fast`, peak memory of scoring the large folder over that of 100 images", 1.1, growth, ""),
    ]


def preset_of(name: str) -> str:
    """The preset of `PRESET-default` or `PRESET-RUNTIME-PRECISION`; its own name may hold a hyphen."""
    return name.removesuffix("-default") if name.endswith("-default") else name.rsplit("-", 2)[0]


def _lowest_ratio(results: Mapping[str, Any], preset: str) -> float | None:
    runtimes = _get(results, f"batch_{BATCH}", "runtimes") or {}
    ratios = [
        run["ratio"]
        for name, run in runtimes.items()
        if preset_of(name) == preset and name.endswith(("-default", "-fp32"))
    ]
    return min(ratios, default=None)


def other_libraries_targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets of `other_libraries.py`, from its results."""
    methods = results["methods"]
    others = {name: method["median_ms"] for name, method in methods.items() if method["family"] == "anomalib"}
    own = {
        preset: min(
            (m["median_ms"] for m in methods.values() if m.get("preset") == preset and m.get("precision") == "fp32"),
            default=None,
        )
        for preset in ("fast", "balanced")
    }
    fastest = min(others.values(), default=None)
    return [
        at_most(
            "`fast`, its fastest fp32 runtime, over the fastest method of other libraries",
            0.5,
            _over(own["fast"], fastest),
            "",
        ),
        at_most(
            "`balanced`, its fastest fp32 runtime, over PaDiM ResNet-18",
            1.0,
            _over(own["balanced"], others.get("PaDiM ResNet-18")),
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


def below(figure: str, limit: float, measured: float | None, unit: str) -> dict[str, Any]:
    """A figure that should not even reach its limit."""
    return _row(figure, "under", limit, measured, unit, met=measured is not None and measured < limit)


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
