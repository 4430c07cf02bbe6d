from __future__ import annotations

import torch
from torch import nn

from measuring.timing import alternate, in_fresh_process, multiply_add_rate, multiply_adds, summary, with_roofline


def test_multiply_adds_of_a_convolution_by_hand():
    layer = nn.Conv2d(3, 5, 3, padding=1)
    images = torch.zeros(2, 3, 8, 6)
    assert multiply_adds(lambda: layer(images)) == 2 * 8 * 6 * 5 * 3 * 9


def test_multiply_adds_of_a_grouped_strided_convolution_by_hand():
    layer = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
    images = torch.zeros(1, 4, 8, 8)
    assert multiply_adds(lambda: layer(images)) == 4 * 4 * 8 * (4 // 2) * 9


def test_multiply_adds_of_products_by_hand_also_in_inference_mode():
    left, right = torch.zeros(7, 3, 4), torch.zeros(7, 4, 5)
    with torch.inference_mode():
        assert multiply_adds(lambda: left @ right) == 7 * 3 * 4 * 5
        assert multiply_adds(lambda: nn.functional.linear(left, torch.zeros(6, 4))) == 7 * 3 * 4 * 6


def test_the_gradient_is_counted():
    weight = torch.zeros(4, 5, requires_grad=True)
    values = torch.zeros(3, 4, requires_grad=True)
    assert multiply_adds(lambda: (values @ weight).sum().backward()) == 3 * (3 * 4 * 5)


def test_elementwise_work_is_not_counted():
    assert multiply_adds(lambda: torch.ones(100) * 2) == 0


def test_summary_is_per_image_in_milliseconds():
    assert summary([0.2, 0.4, 0.6, 0.8, 1.0], images=2) == {
        "median_ms": 300.0,
        "quartiles_ms": [200.0, 400.0],
        "n": 5,
    }
    assert summary([0.5]) == {"median_ms": 500.0, "quartiles_ms": [500.0, 500.0], "n": 1}


def test_actions_take_turns_and_warm_up_is_left_out():
    calls: list[str] = []
    seconds = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_ratio_is_time_over_roofline():
    timed = with_roofline({"median_ms": 6.0}, count=3_000_000, rate=1e9)
    assert timed == {"median_ms": 6.0, "multiply_adds": 3_000_000, "roofline_ms": 3.0, "ratio": 2.0}
    assert with_roofline({"median_ms": 6.0}, count=0, rate=1e9)["ratio"] is None


def test_rate_is_that_of_the_median():
    assert multiply_add_rate([1.0, 2.0, 100.0]) == 2048**3 / 2


def hold(megabytes: int) -> int:
    return len(b"x" * (megabytes * 2**20))


def test_peak_memory_is_that_of_the_process_alone():
    held = b"x" * 300 * 2**20
    _, small = in_fresh_process(hold, 1)
    result, large = in_fresh_process(hold, 200)
    assert result == 200 * 2**20
    assert 150 < large - small < 250
    assert len(held) == 300 * 2**20
