from __future__ import annotations

import logging

import pytest

from utad.progress import Progress, tracked


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_log_gets_a_line_a_stage_and_no_more_where_it_is_quick(caplog, capfd):
    caplog.set_level(logging.INFO, "utad")
    assert list(tracked("abc", 3, "scoring", bar=False)) == ["a", "b", "c"]
    assert lines(caplog) == ["scoring: 3 images", "scoring: done in 0 s"]
    assert capfd.readouterr() == ("", "")


def test_a_long_stage_tells_step_loss_and_time_left(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "utad")
    now = iter([0.0, 10.0, 40.0, 50.0, 300.0, 300.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with Progress("ie_net", 106, done=6) as progress:
        for step in range(4):
            progress.advance(note=f"loss 0.{step}")
    assert lines(caplog) == [
        "ie_net: 106 steps, 6 of them done before",
        "ie_net: step 8 of 106, loss 0.1, about 33 min left",
        "ie_net: step 10 of 106, loss 0.3, about 120 min left",
        "ie_net: done in 300 s, loss 0.3".replace("300 s", "5 min"),
    ]


def test_the_bar_names_the_stage_and_says_nothing_to_the_log(caplog, capfd):
    caplog.set_level(logging.INFO, "utad")
    with Progress("ie_net", 4, bar=True) as progress:
        progress.advance(4, note="loss 0.5")
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "ie_net" in shown.err
    assert "4/4" in shown.err
    assert "loss 0.5" in shown.err
    assert lines(caplog) == []


def test_what_is_stopped_is_not_called_done(caplog):
    caplog.set_level(logging.INFO, "utad")
    with pytest.raises(KeyboardInterrupt), Progress("ie_net", 4):
        raise KeyboardInterrupt
    assert lines(caplog) == ["ie_net: 4 steps"]
