"""An explanation by hand: a square that does not belong there, two components, ten normal scores, two neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests import fabricate
from utad.config import MaskConfig
from utad.interpret.explanation import Explanation
from utad.interpret.normal_images import Neighbour
from utad.scoring.decision import Decision
from utad.types import EngineResult

HEIGHT, WIDTH = 40, 48

NAMES = ("impression", "naive_impression", "reconstruction")


def result(score: float = 0.9) -> EngineResult:
    """Of `fabricate.defective`: two shares that add up to the score, and a map that is high in the square."""
    heat = np.where(fabricate.square_mask(HEIGHT, WIDTH) > 0, 2.0, 0.1).astype(np.float32)
    return EngineResult(
        pred_score=score,
        raw_score=3.0,
        anomaly_map=heat,
        pictures={name: fabricate.picture(HEIGHT, WIDTH, seed=seed) for seed, name in enumerate(NAMES)},
        component_maps={"input-near": 3.0 * heat, "restored-whole": np.full((HEIGHT, WIDTH), 1.5, np.float32)},
        shares={"input-near": score + 0.25, "restored-whole": -0.25},
        code=np.zeros(3, np.float32),
    )


def explanation(name: str = "teil <b>&amp;</b> 1.png", score: float = 0.9, **changes: Any) -> Explanation:
    """The explanation, with some of its attributes changed."""
    neighbours = tuple(
        Neighbour(f"gut/<i>{seed}</i>.png", 0.5 + seed, fabricate.jpeg(fabricate.picture(24, 24, seed=seed)))
        for seed in range(2)
    )
    made = Explanation(
        name=name,
        image=fabricate.defective(HEIGHT, WIDTH),
        prediction=Decision(0.5, 0.8, MaskConfig()).of(result(score)),
        normal_scores=tuple(np.linspace(-0.4, 0.5, 10).tolist()),
        neighbours=neighbours,
    )
    return replace(made, **changes)
