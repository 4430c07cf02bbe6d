from __future__ import annotations

from utad.data.even_choice import evenly_chosen


def test_items_come_evenly_from_all_and_in_order():
    assert evenly_chosen("abcdefghij", 5) == ["a", "c", "e", "g", "i"]
    assert evenly_chosen("abcdefg", 3) == ["a", "c", "e"]
    assert evenly_chosen("abc", 7) == ["a", "b", "c"]
    assert evenly_chosen("", 3) == []
