"""How Lightning is kept from saying and doing what this package does not want."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.exceptions import SIGTERMException


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C stays a KeyboardInterrupt, and SIGTERM ends the process with 143.

    Lightning turns the one into an exit with 1 and ignores further ones for ever, and the other into an exit with 0.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException:
        raise SystemExit(128 + signal.SIGTERM) from None
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keeps Lightning's advertisements and its advice on worker processes out of the user's log."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
            # The schedule is stepped once at construction, before Lightning wraps the optimiser.
            warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
            yield
    finally:
        logger.setLevel(level)
