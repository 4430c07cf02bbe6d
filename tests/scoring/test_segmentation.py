from __future__ import annotations

import torch

from utad.scoring.segmentation import segment


def test_equation_9_is_strict():
    assert segment(torch.tensor([0.4, 0.5, 0.6])).tolist() == [False, False, True]
    assert segment(torch.tensor([-1.0, 2.0]), alpha=2.0).tolist() == [False, False]
