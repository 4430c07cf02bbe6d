from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from utad.config import load_config
from utad.products.folder import ProductFolder

REPORT = {
    **{"model": "model.safetensors", "threshold": 0.5, "seconds": 2.5, "layout": "flat", "left_out": ["1 hidden"]},
    **{"n_images": 7, "n_skipped": 1, "unusual": [{"outlier": True}, {"outlier": False}]},
}


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def folder_of(output):
    """Makes the folder of some products, to be entered."""

    def make(names: Sequence[str] = ("bottle", "cable"), *, resume: bool = False, seed: int = 0) -> ProductFolder:
        return ProductFolder(output, names, source="mvtec", config=load_config(seed=seed), resume=resume)

    return make


@pytest.fixture
def statuses(output):
    """Status by name, from the file."""

    def read() -> dict[str, str]:
        index = json.loads((output / "index.json").read_text(encoding="utf-8"))
        return {product["name"]: product["status"] for product in index["products"]}

    return read
