"""A process that times what it is asked to, round by round, over stdin and stdout.

It runs in other environments too, so it imports nothing but the standard library. First comes one line of JSON,
`{"ready": [names], "failures": {name: reason}, ...}`. A question is one line, `{"action": name, "repetitions": k}`;
the answer is `{"seconds": [...]}` or `{"error": "..."}`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO


def private_stdout() -> TextIO:
    """The stdout for answers; what anything else prints there goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return answers


def answer(answers: TextIO, actions: Mapping[str, Callable[[], object]], **facts: Any) -> None:
    """Announces the actions with the facts, then answers questions until stdin ends."""
    _say(answers, {"ready": list(actions), **facts})
    for line in sys.stdin:
        question = json.loads(line)
        try:
            _say(answers, {"seconds": timed(actions[question["action"]], question["repetitions"])})
        except Exception as error:  # a method of another package may raise anything; the others go on
            _say(answers, {"error": f"{type(error).__name__}: {error}"})


def timed(action: Callable[[], object], repetitions: int) -> list[float]:
    """Seconds of each repetition, after one that is not timed: the caches hold another method's data by now."""
    action()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return seconds


def _say(answers: TextIO, message: Mapping[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()
