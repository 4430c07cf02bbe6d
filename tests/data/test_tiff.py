from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from tests import fabricate
from utad.data.reading import read_image
from utad.data.tiff import unread_tiff
from utad.errors import ImageReadError


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_tiff_is_described_or_left_to_pillow(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = fabricate.tiff(tmp_path / "scan.tif", np.ones((4, 6, 1), np.float64))
    content = bytearray(path.read_bytes())
    # The table of tags is where damage hurts; it lies in the first few hundred bytes or at the end.
    for place in rng.integers(4, len(content), 6):
        content[place] = rng.integers(256)
    if seed % 4 == 0:
        content = content[: rng.integers(5, len(content))]
    path.write_bytes(content)
    found = unread_tiff(path)
    assert found is None or found.startswith("a TIFF of ")
    with suppress(ImageReadError):
        assert read_image(path).shape[2] == 3


def test_what_is_no_tiff_is_not_described(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"not a TIFF")
    assert unread_tiff(tmp_path / "a.tif") is None
    assert unread_tiff(tmp_path / "gone.tif") is None
