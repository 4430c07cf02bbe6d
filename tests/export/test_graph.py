from __future__ import annotations

import numpy as np
import pytest
import torch

from utad.config import MaskConfig
from utad.export.graph import MaskRule
from utad.scoring.segmentation import draw_mask


@pytest.mark.parametrize("settings", [MaskConfig(), MaskConfig(alpha=0.8), MaskConfig(relative=False, alpha=0.4)])
def test_the_mask_of_a_graph_is_that_of_the_detector(settings):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(6, 5, 7, generator=generator)
    maps[1] -= 10  # nothing is above anything
    scores = torch.tensor([0.9, 0.9, 0.2, 0.3, 5.0, -1.0])
    found = MaskRule(settings, threshold=0.25)(maps, scores).numpy()
    for index, score in enumerate(scores.tolist()):
        drawn = draw_mask(maps[index].numpy(), settings, anomalous=score > 0.25)
        assert np.array_equal(found[index], drawn)
    assert found.any(axis=(1, 2)).tolist() == [True, True, False, True, True, False]
