"""Which precision the training computes in."""

from __future__ import annotations

from typing import Literal

import torch

from utad.config import Config

LightningPrecision = Literal["32-true", "bf16-mixed"]


def cpu_computes_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 natively; elsewhere it is emulated, and slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def training_precision(config: Config) -> LightningPrecision:
    """The precision of the config, `auto` resolved for this machine."""
    if config.precision == "auto":
        return "bf16-mixed" if torch.cuda.is_available() or cpu_computes_bf16() else "32-true"
    return "bf16-mixed" if config.precision == "bf16" else "32-true"
