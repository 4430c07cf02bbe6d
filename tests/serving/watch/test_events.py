from __future__ import annotations

import time

from tests.serving.watch.watched import until
from utad.serving.watch.events import FolderEvents


def test_without_events_the_whole_folder_is_looked_at_at_intervals(tmp_path):
    with FolderEvents(tmp_path, poll=0.3) as events:
        assert events.take() is None
        events.scanned(100.0)
        assert events.take() == set()
        begun = time.monotonic()
        events.wait(None)
        assert 0.2 < time.monotonic() - begun < 3.0
        assert events.take() is None


def test_a_folder_that_came_back_is_looked_at_at_once(tmp_path):
    with FolderEvents(tmp_path, poll=1000.0) as events:
        assert events.take() is None
        events.scanned(0.0)
        events._started -= 10.0  # long ago
        events.scanned(0.0)
        assert events.take() == set()
        events.restart()
        assert events.take() is None


def test_events_name_what_changed_and_end_the_waiting(tmp_path):
    with FolderEvents(tmp_path) as events:
        events.take()
        events._started -= 10.0
        events.scanned(0.0)
        found = set()

        def changed() -> bool:
            (tmp_path / "a.png").write_bytes(b"x")
            events.wait(0.2)
            found.update(events.take() or ())
            return tmp_path / "a.png" in found

        until(changed)


def test_a_look_that_takes_long_is_not_repeated_soon(tmp_path):
    with FolderEvents(tmp_path) as events:
        events._started -= 10.0
        events.scanned(100.0)
        assert events._next_scan - time.monotonic() > 800.0


def test_a_folder_without_events_is_told_of_once_and_looked_at(tmp_path, caplog):
    with FolderEvents(tmp_path / "none") as events:
        until(lambda: caplog.messages)
        assert "no events" in caplog.messages[0]
        assert "--poll SECONDS" in caplog.messages[0]
        assert events.take() is None
