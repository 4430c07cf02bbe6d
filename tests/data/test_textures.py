from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from utad.data import textures
from utad.data.synthesis import DEFECTS
from utad.data.textures import TEXTURES, open_texture
from utad.errors import DatasetError, InputError


@pytest.mark.parametrize("name", TEXTURES)
def test_counts_and_forms(name):
    category = open_texture(name, seed=0, size=64, n_train=20, n_normal=5, n_anomalous=14)
    assert category.name == name
    assert len(category.train) == 20
    assert Counter(sample.defect for sample in category.test) == {"good": 5} | dict.fromkeys(DEFECTS, 2)
    for sample in (*category.train, *category.test):
        assert sample.image.shape == (64, 64, 3)
        assert sample.image.dtype == np.uint8
        assert (sample.mask is not None) == bool(sample.anomalous)
    names = [sample.name for sample in (*category.train, *category.test)]
    assert len(set(names)) == len(names)


def test_defaults():
    category = open_texture("brick", seed=0)
    assert (len(category.train), len(category.test)) == (240, 100)
    assert category.train[0].image.shape == (128, 128, 3)


@pytest.mark.parametrize(("seed", "top", "left"), [(0, 256, 256), (1, 0, 0), (2, 256, 0), (3, 0, 256), (4, 256, 256)])
def test_no_pixel_is_in_training_and_in_test(monkeypatch, seed, top, left):
    # A photograph that is 0 but for one quarter, which is 255.
    quarters = np.zeros((512, 512, 3), np.uint8)
    quarters[top : top + 256, left : left + 256] = 255
    monkeypatch.setattr(textures, "_photograph", lambda name: quarters)
    category = open_texture("brick", seed=seed, n_train=300, n_normal=300, n_anomalous=0, size=200)
    assert all((sample.image == 0).all() for sample in category.train)
    assert all((sample.image == 255).all() for sample in category.test)


@pytest.mark.parametrize(("seed", "turned"), [(2, 1), (0, -1)])
def test_crops_are_pieces_of_the_photograph_in_spatial_order(photographs, seed, turned):
    whole = photographs["gravel"]
    lower, right = textures._QUARTERS[seed]
    positions = []
    for sample in open_texture("gravel", seed=seed, n_train=12, n_normal=0, n_anomalous=0).train:
        corner = np.argwhere((whole[:385, :385] == sample.image[0, 0]).all(axis=2))
        matches = [
            (top, left)
            for top, left in corner
            if np.array_equal(whole[top : top + 128, left : left + 128], sample.image)
        ]
        assert len(matches) == 1
        top, left = matches[0]
        above = top + 128 <= 256 if lower else top >= 256
        beside = left + 128 <= 256 if right else left >= 256
        assert above or beside
        positions.append(left + turned * top)
    assert positions == sorted(positions)


def test_test_crops_share_three_quarters_at_the_most(monkeypatch):
    rows, columns = np.mgrid[:512, :512]
    places = np.stack([rows % 256, columns % 256, rows // 256 * 2 + columns // 256], axis=-1).astype(np.uint8)
    monkeypatch.setattr(textures, "_photograph", lambda name: places)
    normal = open_texture("brick", seed=0, n_anomalous=0).test
    corners = sorted(tuple(sample.image[0, 0]) for sample in normal)
    steps = (0, 32, 64, 96, 128)
    assert corners == [(top, left, 3) for top in steps for left in steps]


def test_masks_are_where_the_defect_is(photographs):
    category = open_texture("grass", seed=0, n_normal=0, n_anomalous=7)
    clean = open_texture("grass", seed=0, n_normal=0, n_anomalous=7)
    for sample, again in zip(category.test, clean.test, strict=True):
        assert np.array_equal(sample.image, again.image)
        assert 0.002 <= sample.mask.mean() <= 0.15
        # Outside the mask the crop is a piece of the photograph, untouched.
        row = np.flatnonzero(~sample.mask.any(axis=1))[0]
        pieces = np.lib.stride_tricks.sliding_window_view(photographs["grass"][256:, 256:, 0], 128, axis=1)
        assert (pieces == sample.image[row, :, 0]).all(axis=2).any()


def test_seeds():
    one, same, other = (open_texture("brick", seed=s, n_train=5, n_normal=5, n_anomalous=5) for s in (0, 0, 1))
    for a, b in zip((*one.train, *one.test), (*same.train, *same.test), strict=True):
        assert np.array_equal(a.image, b.image)
    assert not np.array_equal(one.train[0].image, other.train[0].image)
    more = open_texture("brick", seed=0, n_train=9, n_normal=5, n_anomalous=5)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one.test, more.test, strict=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "wood"}, "'wood', expected one of brick, grass, gravel"),
        ({"size": 257}, "expected 32 to 256"),
        ({"size": 31}, "crops of 31"),
        ({"n_train": 0}, "0 training"),
        ({"n_normal": -1}, "-1 normal"),
    ],
)
def test_refuses(arguments, words):
    with pytest.raises(InputError, match=words):
        open_texture(**({"name": "brick", "seed": 0} | arguments))


def test_missing_photographs(monkeypatch):
    monkeypatch.setattr(textures, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match="reinstall scikit-image"):
        open_texture("brick", seed=0)
