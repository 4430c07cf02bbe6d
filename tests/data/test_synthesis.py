from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fabricate
from utad.data.synthesis import DEFECTS, add_defect
from utad.errors import InputError

KINDS = ("scratch", "hole", "stain", "blur", "foreign_texture", "misplaced", "perlin")


def test_the_kinds():
    assert tuple(DEFECTS) == KINDS


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    height=st.integers(32, 90),
    width=st.integers(32, 90),
    seed=st.integers(0, 10_000),
    strength=st.floats(0.001, 1.0),
    wide=st.booleans(),
    grey=st.booleans(),
    level=st.sampled_from([None, 0, 1, 128, 255]),
)
def test_the_mask_is_true_exactly_where_pixels_differ(kind, height, width, seed, strength, wide, grey, level):
    image = fabricate.picture(height, width, seed=seed, grey=grey)
    if level is not None:
        image[...] = level
    if wide:
        image = image.astype(np.uint16) * 257
    before = image.copy()
    defect = add_defect(image, kind, rng=np.random.default_rng(seed), strength=strength)
    assert np.array_equal(image, before)
    assert defect.kind == kind
    assert defect.image.dtype == image.dtype
    assert np.array_equal(defect.mask, (defect.image != image).any(axis=2))
    assert 0.002 <= defect.mask.mean() <= 0.15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(32, 32), (32, 2000), (700, 40)])
def test_area_at_extreme_sizes(kind, size):
    for seed in range(3):
        defect = add_defect(fabricate.picture(*size), kind, rng=np.random.default_rng(seed))
        assert 0.002 <= defect.mask.mean() <= 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_strength_scales_visibility_monotonically(kind, photographs):
    image = photographs["grass"][:128, :128]
    changes, masks = [], []
    for strength in (0.05, 0.2, 0.5, 0.8, 1.0):
        defect = add_defect(image, kind, rng=np.random.default_rng(3), strength=strength)
        changes.append(np.abs(defect.image.astype(int) - image).max(axis=2))
        masks.append(defect.mask)
    for weak, strong, smaller, larger in zip(changes, changes[1:], masks, masks[1:], strict=False):
        assert (weak <= strong).all()
        assert not (smaller & ~larger).any()
        assert weak.sum() < strong.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texture", ["brick", "grass", "gravel"])
def test_full_strength_is_visible(kind, texture, photographs):
    image = photographs[texture][200:328, 100:228]
    foreign = photographs["gravel" if texture != "gravel" else "grass"]
    changes = []
    for seed in range(8):
        defect = add_defect(image, kind, rng=np.random.default_rng(seed), foreign=foreign)
        changes.append(np.abs(defect.image.astype(float) - image)[defect.mask].mean())
    # Blurring leaves the mean of a smooth brick alone; everything else stands out by a good twentieth.
    assert np.median(changes) > (5 if kind == "blur" else 15)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_types(kind):
    image = fabricate.picture(64, 64)
    one, same, other = (add_defect(image, kind, rng=np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.array_equal(one.image, same.image)
    assert not np.array_equal(one.mask, other.mask)
    wide = add_defect(image.astype(np.uint16) * 257, kind, rng=np.random.default_rng(0))
    # Half a level of rounding, and one level where a pixel that would not change is made to.
    assert np.abs(wide.image / 257 - one.image).max() <= 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_grey_stays_grey(kind):
    image = fabricate.picture(64, 64, grey=True)
    changed = add_defect(image, kind, rng=np.random.default_rng(5), foreign=fabricate.picture(20, 20, seed=9)).image
    assert np.array_equal(changed[..., 0], changed[..., 1])
    assert np.array_equal(changed[..., 0], changed[..., 2])


def test_foreign_texture_is_what_shows():
    image = np.full((64, 64, 3), 100, np.uint8)
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 200
    defect = add_defect(image, "foreign_texture", rng=np.random.default_rng(0), foreign=stripes)
    inside = np.argwhere(defect.mask)
    middle = inside[len(inside) // 2]
    column = defect.image[middle[0] - 2 : middle[0] + 3, middle[1], 0].astype(int)
    assert (np.abs(np.diff(column)) > 150).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "dent"}, "'dent', expected one of scratch"),
        ({"strength": 0.0}, "strength 0.0"),
        ({"strength": 1.5}, "strength 1.5"),
        ({"strength": float("nan")}, "strength nan"),
        ({"image": np.zeros((31, 64, 3), np.uint8)}, "expected 32"),
        ({"image": np.zeros((64, 64, 3))}, "float64"),
        ({"foreign": np.zeros((8, 8), np.uint8)}, "foreign"),
    ],
)
def test_refuses(arguments, words):
    given_ = {
        "image": fabricate.picture(64, 64),
        "kind": "hole",
        "strength": 1.0,
        "foreign": None,
    } | arguments
    image, kind = given_.pop("image"), given_.pop("kind")
    with pytest.raises(InputError, match=words):
        add_defect(image, kind, rng=np.random.default_rng(0), **given_)
