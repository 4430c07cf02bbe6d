"""`utad doctor`: what this machine has and what a preset builds, or what a trained model can see."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from utad.cli.options import Json, Layout, Runtime, print_json, start_logging
from utad.cli.smallest_defect import inspect_model, lines_of_model, numbers
from utad.dependencies import EXTRAS, is_installed

if TYPE_CHECKING:
    from utad.config import Config

PACKAGES = (
    "utad",
    "numpy",
    "openvino",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "timm",
    "scikit-learn",
    "scikit-image",
    "safetensors",
)
OF_TRAINING = ("threads", "bf16", "cuda", "bundled", "bundled_backbone", "parameters")
PAPER_PARAMETERS_MILLION = 16.77


def doctor(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="A trained model to look at, as for predict.", show_default=False),
    ] = None,
    normal: Annotated[
        Path | None,
        typer.Option(
            help="Normal images that RUN was not trained on: defects are planted in them.", show_default=False
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Sizes of planted defects in pixels of the input, such as 4,8,16.", show_default=False),
    ] = None,
    contrasts: Annotated[
        str | None,
        typer.Option(help="Their contrasts in percent of black to white; 10,25,50 if not given.", show_default=False),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(help="Most normal images to plant them in; 20 if not given.", min=1, show_default=False),
    ] = None,
    layout: Layout = None,
    runtime: Runtime = "auto",
    preset: Annotated[str, typer.Option(help="Without RUN: preset whose networks are counted.")] = "fast",
    as_json: Json = False,
) -> None:
    """Check the installation, or say what the model in RUN is and, with --normal, how small a defect it finds."""
    if model is None and normal is not None:
        raise typer.BadParameter("--normal needs RUN, the model to look at", param_hint="RUN")
    planting = {"--sizes": sizes, "--contrasts": contrasts, "--images": images, "--layout": layout}
    idle = [name for name, value in planting.items() if value is not None]
    if normal is None and idle:
        raise typer.BadParameter("goes with --normal alone: leave it out", param_hint=", ".join(idle))
    if model is None:
        found = inspect(preset)
        lines = _lines(found)
    else:
        from utad.evaluation.smallest_defect import IMAGES

        start_logging()
        found = inspect_model(
            model,
            normal,
            layout=layout,
            runtime=runtime,
            sizes=numbers(sizes, "--sizes"),
            contrasts=numbers(contrasts, "--contrasts", percent=True),
            n_images=images or IMAGES,
        )
        lines = lines_of_model(found)
    if as_json:
        print_json(found)
        return
    print("\n".join(lines))


def inspect(preset: str) -> dict[str, Any]:
    """Everything the command reports, as plain values; without the extra `train`, None for what training alone has."""
    from utad.config import load_config
    from utad.data.catalog import DATASET_NAMES

    config = load_config(preset)
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "extras": {name: is_installed(name) for name in EXTRAS},
        "datasets": list(DATASET_NAMES),
        "preset": preset,
        **(_inspect_training(config) if is_installed("train") else dict.fromkeys(OF_TRAINING)),
    }


def _inspect_training(config: Config) -> dict[str, Any]:
    import torch

    from utad.models.build import count_parameters
    from utad.models.weights import BUNDLED, load_bundled
    from utad.training.precision import cpu_computes_bf16

    for name in BUNDLED:
        load_bundled(name)
    return {
        "threads": torch.get_num_threads(),
        "bf16": cpu_computes_bf16(),
        "cuda": torch.cuda.is_available(),
        "bundled": list(BUNDLED),
        "bundled_backbone": "sha256 verified",
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
    trains = found["parameters"] is not None
    if trains:
        lines.append(f"{found['threads']} threads; bf16 native: {found['bf16']}; CUDA: {found['cuda']}")
        lines.append(f"bundled weights of {', '.join(found['bundled'])}: {found['bundled_backbone']}")
    for name, present in found["extras"].items():
        lines.append(f"extra {name}: " + ("installed" if present else f"missing (pip install 'utad[{name}]')"))
    lines.append(f"data sets: a folder, or {', '.join(found['datasets'])}")
    if not trains:
        return [*lines, "scores, serves and watches with exported graphs; trains with the extra train"]
    lines.append(f"preset {found['preset']}, learnable parameters (3 channels):")
    lines += [f"  {count:>12,}  {name}" for name, count in found["parameters"].items()]
    total = sum(found["parameters"].values())
    lines.append(f"  {total:>12,}  in all")
    if found["preset"] == "paper":
        lines.append(f"  Table 4 of the paper: {PAPER_PARAMETERS_MILLION} M; here {total / 1e6:.2f} M")
    return lines
