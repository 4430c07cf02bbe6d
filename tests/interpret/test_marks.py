from __future__ import annotations

import re

import numpy as np

from utad.interpret.marks import NORMAL, marks_of


def test_every_kind_has_a_mark_of_its_own():
    kinds = [NORMAL, *(f"kind {index:02d}" for index in range(40))]
    marks = marks_of(kinds)
    assert list(marks) == kinds
    assert list(marks_of(kinds[::-1]).items()) == list(marks.items())
    assert len({(mark.shape, mark.colour) for mark in marks.values()}) == len(kinds)
    # The first eight differ in shape alone, for whom colours do not tell anything.
    assert len({mark.shape for mark in list(marks.values())[:9]}) == 9


def test_normal_images_always_have_the_same_mark_and_no_other_kind_has_it():
    alone, among = marks_of([NORMAL])[NORMAL], marks_of(["a", NORMAL, "b"])
    assert among[NORMAL] == alone
    assert [kind for kind, mark in among.items() if mark.shape == "o" or mark.colour == alone.colour] == [NORMAL]
    assert NORMAL not in marks_of(["a"])


def test_paths_lie_in_a_circle_of_radius_1_and_are_no_two_alike():
    marks = marks_of([f"kind {index}" for index in range(8)])
    paths = {mark.path for mark in marks.values()}
    assert len(paths) == 8
    for path in paths:
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", path)]
        points = np.array(numbers).reshape(-1, 2)
        radii = np.linalg.norm(points, axis=1)
        assert 0.9 < radii.max() < 1.06
        assert abs(points[:, 0].sum()) < 0.01  # upright: as much to the left as to the right
