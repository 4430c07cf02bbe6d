from __future__ import annotations

from utad.data.even_choice import even_indices, evenly_chosen


def test_items_come_evenly_from_all_and_in_order():
    assert evenly_chosen("abcdefghij", 5) == ["a", "c", "e", "g", "i"]
    assert evenly_chosen("abcdefg", 3) == ["a", "c", "e"]
    assert evenly_chosen("abc", 7) == ["a", "b", "c"]
    assert evenly_chosen("", 3) == []


def test_indices_are_those_of_the_items():
    assert even_indices(7, 3) == [0, 2, 4]
    assert even_indices(0, 3) == even_indices(3, 0) == []
