from __future__ import annotations

from pathlib import Path

import pytest

from tests import fabricate
from utad.data.folder import folder_categories, open_folder
from utad.data.reading import load_image, load_mask
from utad.errors import DatasetError


def edit(root, old: str, new: str) -> None:
    table = root / "split_csv" / "1cls.csv"
    text = table.read_text(encoding="utf-8")
    assert old in text
    table.write_text(text.replace(old, new), encoding="utf-8")


def test_the_table_makes_the_split(tmp_path):
    root = fabricate.visa(tmp_path, ("candle", "pcb1"))
    assert folder_categories(root) == ("candle", "pcb1")
    category = open_folder(root, category="candle")
    assert [sample.name for sample in category.train] == [f"candle/Data/Images/Normal/{i:04d}.JPG" for i in range(3)]
    assert [(sample.anomalous, sample.defect) for sample in category.test] == [
        (False, "good"),
        (True, "anomaly"),
    ]
    mask = load_mask(category.test[1], load_image(category.test[1]).shape[:2])
    assert mask is not None
    assert mask.sum() == 100


def test_category(tmp_path):
    assert open_folder(fabricate.visa(tmp_path / "one")).name == "candle"
    root = fabricate.visa(tmp_path / "two", ("candle", "pcb1"))
    with pytest.raises(DatasetError, match=r"several categories: name one of candle \(visa\), pcb1 \(visa\)"):
        open_folder(root)
    with pytest.raises(DatasetError, match="no folder 'fryum'; there are candle, pcb1"):
        open_folder(root, category="fryum")


@pytest.mark.parametrize("entry", ["../outside.png", "/etc/passwd", "candle/../../outside.png", "..\\outside.png"])
@pytest.mark.parametrize("old", ["candle/Data/Images/Anomaly/000.JPG", "candle/Data/Masks/Anomaly/000.png"])
def test_the_table_may_not_point_outside(tmp_path, entry, old):
    root = fabricate.visa(tmp_path / "visa")
    fabricate.save(tmp_path / "outside.png", fabricate.picture())
    edit(root, old, entry)
    with pytest.raises(DatasetError, match="points outside"):
        open_folder(root)


def test_every_missing_file_is_named(tmp_path):
    root = fabricate.visa(tmp_path)
    missing = [root / "candle/Data/Images/Normal/0001.JPG", root / "candle/Data/Masks/Anomaly/000.png"]
    for path in missing:
        path.unlink()
    with pytest.raises(DatasetError) as caught:
        open_folder(root)
    assert all(str(path) in str(caught.value) for path in missing)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("test,anomaly", "train,anomaly", "anomalous but in the training split"),
        ("test,anomaly", "val,anomaly", "split 'val'"),
        ("test,anomaly", "test,broken", "label 'broken'"),
        ("label", "class", "no column label"),
        ("Normal/0001", "Normal/0000", "listed twice"),
        ("candle,train", "candle,test", "no normal images to train on"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, old, new, words):
    root = fabricate.visa(tmp_path)
    edit(root, old, new)
    with pytest.raises(DatasetError, match=words):
        open_folder(root)


def test_a_table_that_is_no_text(tmp_path):
    root = fabricate.visa(tmp_path)
    (root / "split_csv" / "1cls.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DatasetError, match=r"1cls\.csv"):
        folder_categories(root)


def test_the_folder_of_a_category_has_the_split_of_the_table_beside_it(tmp_path):
    root = fabricate.visa(tmp_path, ("candle", "pcb1"))
    assert open_folder(root / "pcb1") == open_folder(root, category="pcb1")


def test_relative_paths(tmp_path, monkeypatch):
    """`.` has no name, and a parent that is not its own."""
    root = fabricate.visa(tmp_path, ("candle", "pcb1"))
    expected = [sample.name for sample in open_folder(root, category="candle").train]
    monkeypatch.chdir(root)
    for path, category in (("candle", None), (".", "candle")):
        opened = open_folder(Path(path), category=category)
        assert [sample.name for sample in opened.train] == expected
        assert opened.left_out == ()
    monkeypatch.chdir(root / "candle")
    assert [sample.name for sample in open_folder(Path(".")).train] == expected
