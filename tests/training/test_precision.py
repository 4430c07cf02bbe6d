from __future__ import annotations

import pytest
import torch

from utad.config import load_config
from utad.training import precision
from utad.training.precision import cpu_computes_bf16, training_precision


@pytest.mark.parametrize(
    ("asked", "native", "resolved"),
    [
        ("auto", True, "bf16-mixed"),
        ("auto", False, "32-true"),
        ("fp32", True, "32-true"),
        ("bf16", False, "bf16-mixed"),
    ],
)
def test_auto_follows_the_cpu_and_a_stated_precision_does_not(monkeypatch, asked, native, resolved):
    monkeypatch.setattr(precision, "cpu_computes_bf16", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_precision(load_config(overrides=[f"precision={asked}"])) == resolved


@pytest.mark.parametrize(
    ("capabilities", "native"),
    [
        ({"avx2": True, "avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"bf16": True}, True),
        ({"avx2": True, "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_bf16_is_native_where_the_cpu_says_so(monkeypatch, capabilities, native):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert cpu_computes_bf16() is native


def test_the_presets_of_the_paper_train_in_fp32():
    assert training_precision(load_config("paper")) == training_precision(load_config("paper-small")) == "32-true"
