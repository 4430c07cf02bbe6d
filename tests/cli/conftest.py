from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from utad.products.index import Product, ProductIndex


@pytest.fixture(scope="session")
def index(run, tmp_path_factory) -> Path:
    """The folder of an index, of two products that are trained and one that is not."""
    folder = tmp_path_factory.mktemp("products")
    products = [Product(name=name, folder=name, preset="fast", seed=0, status="trained") for name in ("cap", "seal")]
    for product in products:
        shutil.copytree(run, folder / product.folder, ignore=shutil.ignore_patterns("checkpoints"))
    products.append(Product(name="ring", folder="ring", preset="fast", seed=0, status="failed", error="no images"))
    written = ProductIndex(version="0.1.0", source="parts", products=tuple(products))
    (folder / "index.json").write_text(written.model_dump_json(), encoding="utf-8")
    return folder
