"""What results rest on: versions, machine and commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from utad.training.precision import cpu_computes_bf16

_PACKAGES = ("utad", "torch", "torchvision", "timm", "scikit-learn", "scikit-image", "pytorch-lightning")


def versions() -> dict[str, str]:
    """Of Python and of the packages that figures hang on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def machine() -> dict[str, Any]:
    """The processor, its cores, the vector instructions that torch computes with, and the system."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    instructions = torch.backends.cpu.get_cpu_capability() + (", bf16" if cpu_computes_bf16() else "")
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "instructions": instructions,
        "system": platform.platform(),
    }


def commit() -> str | None:
    """The commit of the working copy this runs from, with `-dirty` if the package was changed; None outside of one."""
    package = Path(__file__).parent.parent
    try:
        head, changed = (
            subprocess.run(["git", *arguments], cwd=package, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "."))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}-dirty" if changed else head
