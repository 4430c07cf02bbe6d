"""Several processes that train one network together: what they say, how they fail, and how they end."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from torch.multiprocessing.spawn import ProcessRaisedException
from typing_extensions import override

from utad.errors import TrainingError


@contextmanager
def together() -> Iterator[None]:
    """Ends the processes that were started in the block with it, whatever ends it, and tells their errors as ours.

    They would go on training after a signal, and this process would wait for them. What they write is whole at any
    moment: they are killed.

    Raises:
        TrainingError: if one of them failed, with what it said.
    """
    before = multiprocessing.active_children()
    try:
        yield
    except ProcessRaisedException as error:
        # The text is the traceback of that process, which ends in the error.
        last = str(error).strip().splitlines()[-1]
        raise TrainingError(f"one of the processes that train failed: {last.partition(': ')[2] or last}") from error
    finally:
        for child in multiprocessing.active_children():
            if child not in before:
                child.kill()
                child.join()


class OneVoice(pl.Callback):
    """Keeps what the processes say to what one process says, and leaves signals to the one that started them."""

    def __init__(self) -> None:
        self._level = logging.getLogger("utad").getEffectiveLevel()
        self._parent = multiprocessing.current_process().pid

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if multiprocessing.current_process().pid == self._parent:
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logging.getLogger("utad").setLevel(self._level if trainer.is_global_zero else logging.ERROR)
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        for name in ("pytorch_lightning", "lightning_fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
