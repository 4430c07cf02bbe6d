"""What `models/upsampling.py` saves in training: one transposed convolution instead of enlarging and convolving.

    PYTHONPATH=benchmarks python benchmarks/experiments/upsampled_conv.py

Times a training step of each stage of `fast` with the networks as they are, and with the same layers that enlarge their
input first; both take turns. `docs/render.py` puts the figures into docs/performance.md. Two minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from utad.config import load_config
from utad.evaluation.provenance import commit, machine, versions
from utad.models.build import build_two_stage
from utad.models.two_stage import TwoStage
from utad.models.upsampling import UpsampledConv

BATCH, SEED = 8, 0


class EnlargeThenConvolve(nn.Module):
    """What `UpsampledConv` computes, in two operations."""

    def __init__(self, layer: UpsampledConv) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = layer.weight, layer.bias, layer.scale

    def forward(self, features: Tensor) -> Tensor:
        """`(N, in, H, W)` to `(N, out, s * H, s * W)`."""
        enlarged = functional.interpolate(features, scale_factor=self.scale) if self.scale > 1 else features
        return functional.conv2d(enlarged, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


def enlarged_first(model: TwoStage) -> TwoStage:
    """The same networks, in place, with every `UpsampledConv` as two operations."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, UpsampledConv):
                setattr(parent, name, EnlargeThenConvolve(child))
    return model


def step_seconds(model: TwoStage, stage: str, images: Tensor) -> float:
    """Forward and backward pass of one stage."""
    start = time.perf_counter()
    if stage == "IE-Net":
        loss = (model.ie_net(images).impression - images).square().mean()
    else:
        output = model.expert_net(images, images)
        loss = (output.reconstruction - images).abs().mean() + (output.naive_impression - images).abs().mean()
    torch.autograd.backward(loss)
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/upsampled_conv.json"))
    arguments = parser.parse_args(argv)
    config = load_config("fast", seed=SEED)
    steps = {"IE-Net": config.ie_training.steps, "Expert-Net": config.expert_training.steps}
    about = {"machine": machine(), "versions": versions(), "commit": commit(), "threads": torch.get_num_threads()}
    document: dict[str, Any] = {**about, "short": False, "seed": SEED, "batch": BATCH, "steps": steps, "stages": {}}
    torch.manual_seed(SEED)
    images = torch.rand(BATCH, 1, config.image.size, config.image.size)
    forms = {"joined": build_two_stage(config, 1), "apart": enlarged_first(build_two_stage(config, 1))}
    for stage in steps:
        seconds: dict[str, list[float]] = {form: [] for form in forms}
        for index in range(arguments.rounds + 2):
            for form, model in forms.items():
                taken = step_seconds(model, stage, images)
                if index > 1:
                    seconds[form].append(taken)
        document["stages"][stage] = {
            form: round(1000 * statistics.median(values) / BATCH, 2) for form, values in seconds.items()
        }
        print(stage, document["stages"][stage], flush=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
