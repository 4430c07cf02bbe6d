"""`utad doctor`: what this machine has, and what a preset builds."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from utad.cli.options import Json, print_json

PACKAGES = (
    "utad",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "timm",
    "scikit-learn",
    "scikit-image",
    "safetensors",
)
EXTRAS = {
    "bench": ("mlxtend", "elpv_dataset"),
    "tensorboard": ("tensorboard",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("openvino", "nncf", "onnx", "onnxscript"),
}
PAPER_PARAMETERS_MILLION = 16.77


def doctor(
    preset: Annotated[str, typer.Option(help="Preset whose networks are counted.")] = "fast",
    as_json: Json = False,
) -> None:
    """Check the installation, and print the parameters of a preset's networks by part."""
    found = inspect(preset)
    if as_json:
        print_json(found)
        return
    print("\n".join(_lines(found)))


def inspect(preset: str) -> dict[str, Any]:
    """Everything the command reports, as plain values."""
    import torch

    from utad.config import load_config
    from utad.data.catalog import DATASET_NAMES
    from utad.models.build import count_parameters
    from utad.models.weights import BUNDLED, load_bundled
    from utad.training.precision import cpu_computes_bf16

    config = load_config(preset)
    for name in BUNDLED:
        load_bundled(name)
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "extras": {name: all(find_spec(module) for module in modules) for name, modules in EXTRAS.items()},
        "threads": torch.get_num_threads(),
        "bf16": cpu_computes_bf16(),
        "cuda": torch.cuda.is_available(),
        "bundled": list(BUNDLED),
        "bundled_backbone": "sha256 verified",
        "datasets": list(DATASET_NAMES),
        "preset": preset,
        "parameters": count_parameters(config),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"Python {found['python']} on {found['platform']}"]
    lines += [f"  {name} {number}" for name, number in found["packages"].items()]
    lines.append(f"{found['threads']} threads; bf16 native: {found['bf16']}; CUDA: {found['cuda']}")
    lines.append(f"bundled weights of {', '.join(found['bundled'])}: {found['bundled_backbone']}")
    for name, present in found["extras"].items():
        lines.append(f"extra {name}: " + ("installed" if present else f"missing (pip install 'utad[{name}]')"))
    lines.append(f"data sets: a folder, or {', '.join(found['datasets'])}")
    lines.append(f"preset {found['preset']}, learnable parameters (3 channels):")
    lines += [f"  {count:>12,}  {name}" for name, count in found["parameters"].items()]
    total = sum(found["parameters"].values())
    lines.append(f"  {total:>12,}  in all")
    if found["preset"] == "paper":
        lines.append(f"  Table 4 of the paper: {PAPER_PARAMETERS_MILLION} M; here {total / 1e6:.2f} M")
    return lines
