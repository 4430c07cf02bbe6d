from __future__ import annotations

import json

import pytest

from utad.errors import ModelFileError
from utad.products.index import Product, ProductIndex, index_file, read_index, trained_models


def written(folder, **changes):
    products = [Product(name=name, folder=name, preset="fast", seed=3) for name in ("cap", "seal", "ring")]
    products[0] = products[0].model_copy(update={"status": "trained"})
    products[1] = products[1].model_copy(update={"status": "failed", "error": "no images"})
    index = ProductIndex(version="0.1.0", source="parts", products=tuple(products))
    file = folder / "index.json"
    file.write_text(json.dumps(index.model_dump(mode="json") | changes), encoding="utf-8")
    return file


def test_a_path_names_an_index_by_itself_or_by_its_folder(tmp_path):
    assert index_file(tmp_path) is None
    file = written(tmp_path)
    assert index_file(tmp_path) == index_file(str(file)) == file
    assert index_file(tmp_path / "cap") is None


def test_what_is_trained_is_found_wherever_the_folder_lies_and_the_rest_is_named(tmp_path, caplog):
    moved = tmp_path / "moved"
    moved.mkdir()
    assert trained_models(written(moved)) == {"cap": moved / "cap"}
    assert [message.partition("index.json: ")[2] for message in caplog.messages] == [
        "seal is left out: it is failed (no images)",
        "ring is left out: it is waiting",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"products": []}, "no detector of .* is trained"),
        ({"format": 2, "version": "9.0"}, "form 2 and was written by utad 9.0"),
        ({"kind": "another"}, "not an index of detectors, or is damaged .kind: "),
        ({"products": [{"name": "a", "folder": "../a", "preset": "fast", "seed": 0}]}, "expected one below"),
        ({"products": [{"name": "a", "folder": "/a", "preset": "fast", "seed": 0}]}, "expected one below"),
    ],
)
def test_another_file_is_refused(tmp_path, changes, message):
    with pytest.raises(ModelFileError, match=message):
        trained_models(written(tmp_path, **changes))


def test_a_damaged_index_is_refused(tmp_path):
    file = written(tmp_path)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelFileError, match="not an index of detectors, or is damaged"):
        read_index(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_index(file)
