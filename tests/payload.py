"""A pickle that runs something, for the tests that see that nothing of the kind ever runs."""

from __future__ import annotations

from pathlib import Path


class Payload:
    """What a pickle would run when it is loaded: it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)
