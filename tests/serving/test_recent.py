from __future__ import annotations

import numpy as np

from utad.serving.recent import RecentRows


def test_the_last_rows_are_kept_and_no_others():
    recent = RecentRows(3, 2, np.float64)
    assert recent.rows().shape == (0, 2)
    for value in range(5):
        recent.add((value, 10 * value))
        assert len(recent.rows()) == min(value + 1, 3)
    assert sorted(recent.rows().tolist()) == [[2, 20], [3, 30], [4, 40]]


def test_what_was_given_out_does_not_change_with_what_comes():
    recent = RecentRows(2, 1, np.float32)
    recent.add((1.0,))
    given = recent.rows()
    recent.add((2.0,))
    recent.add((3.0,))
    assert given.tolist() == [[1.0]]
