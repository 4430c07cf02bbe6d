from __future__ import annotations

import pytest

from small_install import is_good


def document() -> dict:
    entry = {"megabytes": 599, "torch": False}
    return {
        "installed": {"none": dict(entry), "serve": dict(entry), "onnx": {"megabytes": 900, "torch": False}},
        "largest_difference": 0.0,
        "commands": {"utad train": {"as_expected": True}},
    }


def test_a_small_installation_with_the_same_scores_is_good():
    assert is_good(document())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("installed", "none", "megabytes"), 600),
        (("installed", "serve", "torch"), True),
        (("largest_difference",), 1e-3),
        (("commands", "utad train", "as_expected"), False),
    ],
)
def test_each_failure_counts(path, value):
    made = document()
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert not is_good(made)
