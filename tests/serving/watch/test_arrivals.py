from __future__ import annotations

import pytest

from utad.serving.watch.arrivals import RETRY_SECONDS, Arrivals
from utad.serving.watch.scan import Arrival, FileState

FIRST, SECOND = FileState(10, 1), FileState(20, 2)


def test_a_file_is_complete_when_it_has_not_changed_for_the_time_to_settle():
    arrivals = Arrivals(set(), settle=1.0)
    arrivals.see(Arrival("a", FIRST), 0.0)
    arrivals.see(Arrival("a", FIRST), 0.5)
    assert arrivals.complete(0.9, 5, {"a": FIRST}.get) == []
    assert arrivals.seconds_left(0.75) == 0.25
    arrivals.see(Arrival("a", SECOND), 0.9)
    assert arrivals.complete(1.5, 5, {"a": SECOND}.get) == []
    assert arrivals.complete(1.9, 5, {"a": SECOND}.get) == [Arrival("a", SECOND)]


def test_a_change_that_nobody_told_of_is_seen_at_the_last_look():
    arrivals = Arrivals(set(), settle=1.0)
    arrivals.see(Arrival("a", FIRST), 0.0)
    assert arrivals.complete(1.0, 5, {"a": SECOND}.get) == []
    assert arrivals.complete(1.9, 5, {"a": SECOND}.get) == []
    assert arrivals.complete(2.0, 5, {"a": SECOND}.get) == [Arrival("a", SECOND)]


def test_what_is_done_or_gone_does_not_wait():
    done = {Arrival("a", FIRST).key}
    arrivals = Arrivals(done, settle=0.0)
    arrivals.see(Arrival("a", FIRST), 0.0)
    arrivals.see(Arrival("b", FIRST), 0.0)
    assert arrivals.complete(0.0, 5, {}.get) == []
    assert (len(arrivals), arrivals.seconds_left(0.0)) == (0, None)
    arrivals.see(Arrival("a", SECOND), 0.0)
    assert len(arrivals) == 1


def test_the_oldest_come_first_and_no_more_than_asked_for():
    arrivals = Arrivals(set(), settle=0.0)
    states = {name: FileState(1, age) for name, age in (("a", 3), ("b", 1), ("c", 2))}
    for name, state in states.items():
        arrivals.see(Arrival(name, state), 0.0)
    first = arrivals.complete(0.0, 2, states.get)
    assert [arrival.name for arrival in first] == ["b", "c"]
    for arrival in first:
        arrivals.drop(arrival)
    assert [arrival.name for arrival in arrivals.complete(0.0, 2, states.get)] == ["a"]


@pytest.mark.parametrize("patient", [True, False])
def test_what_is_put_off_comes_again_with_patience_alone(patient):
    arrivals = Arrivals(set(), settle=0.0, patient=patient)
    arrivals.see(Arrival("a", FIRST), 0.0)
    arrivals.put_off(Arrival("a", FIRST), 0.0)
    assert arrivals.complete(RETRY_SECONDS - 1, 5, {"a": FIRST}.get) == []
    assert len(arrivals.complete(RETRY_SECONDS, 5, {"a": FIRST}.get)) == int(patient)


def test_keys_tell_versions_apart_whatever_the_name():
    names = ("a", "a\0", "caf\udce9", "b")
    keys = {Arrival(name, state).key for name in names for state in (FIRST, SECOND)}
    assert len(keys) == 8
