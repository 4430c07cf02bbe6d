from __future__ import annotations

import numpy as np
from matplotlib import colormaps

from utad.interpret.figures import coloured
from utad.interpret.inferno import INFERNO


def test_the_colours_are_those_of_matplotlib():
    assert np.array_equal(INFERNO, colormaps["inferno"](np.arange(256), bytes=True)[:, :3])


def test_levels_get_the_colours_that_matplotlib_gives_them():
    level = np.concatenate([np.linspace(0, 1, 5001), [0.5, 1 / 256, 255 / 256, np.nextafter(1.0, 0.0)]])
    level = level.astype(np.float32)[None]
    assert np.array_equal(coloured(level), colormaps["inferno"](level, bytes=True)[..., :3])
