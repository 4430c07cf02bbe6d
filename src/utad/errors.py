"""Everything this package raises on purpose, in one tree.

Each message says what was got, what was expected, and what to do. The command line prints the message of
a `UTADError` on one line and exits with status 1; any other exception is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Value = TypeVar("_Value")


class UTADError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(UTADError):
    """A setting is unknown, out of range, or does not fit another setting."""


class InputError(UTADError, ValueError):
    """An array, tensor or argument handed to the Python interface has the wrong shape, type or range."""


class DataError(UTADError):
    """Something is wrong with the images or folders a user points at."""


class ImageReadError(DataError):
    """One image file cannot be used: damaged, too large, or of a format that is not accepted."""


class DatasetError(DataError):
    """A data set is missing, incomplete or inconsistent; the message names the files."""


class TrainingError(UTADError):
    """Training cannot start, continue or resume."""


class NonFiniteLossError(TrainingError):
    """A loss became NaN or infinite; the message names stage, step and term."""


class NotFittedError(UTADError):
    """The detector, or a part of it, is used before it has been fitted or loaded."""


class ModelFileError(UTADError):
    """A model file is damaged, is not a model of this package, or was written by a newer version."""


class WeightsError(UTADError):
    """Pretrained backbone weights are missing, damaged or do not fit; the message says where to get them."""


class ExportError(UTADError):
    """A detector cannot be exported, or its export would not give the same answers."""


class OutputError(UTADError):
    """Something cannot be written: no space, no permission, or the place is taken."""


class MissingDependencyError(UTADError, ImportError):
    """An optional dependency is not installed; the message gives the command that installs it."""


class NonFiniteScoreError(UTADError):
    """A score or map became NaN or infinite; it is never handed out."""


class UnavailableError(UTADError):
    """A server cannot answer now, for reasons of its own; asking again later can help.

    Args:
        message: what is the matter.
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@contextmanager
def noted(advice: Callable[[], str]) -> Iterator[None]:
    """Adds a note to whatever ends the block early, a signal included: what is kept, and how to go on."""
    try:
        yield
    except BaseException as error:
        error.add_note(advice())
        raise


def checked(outcome: _Value | ImageReadError) -> _Value:
    """The outcome itself.

    Raises:
        ImageReadError: if it is one.
    """
    if isinstance(outcome, ImageReadError):
        raise outcome
    return outcome
