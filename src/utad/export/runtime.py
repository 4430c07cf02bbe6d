"""What every runtime of an exported graph offers, uint8 images in and named arrays out, and what they share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from utad.errors import ModelFileError, UTADError
from utad.export.manifest import Format

NETWORK_PIXELS = 2**16
"""Pixels that the networks see at a time on one core: four images of 128 px, or one of 256."""

Arrays = Mapping[str, NDArray[Any]]


class Graph(Protocol):
    """A graph that is ready to compute, in several threads at once.

    Attributes:
        max_batch: images that it computes best together.
        streams: batches that keep it busy.
    """

    max_batch: int
    streams: int

    def run(
        self,
        images: NDArray[np.uint8],
        names: Sequence[str],
        *,
        places: NDArray[np.int64] | None = None,
        concurrent: bool = False,
    ) -> Arrays:
        """Images `(N, H, W, 3)` to the named outputs; others are not computed.

        Args:
            images: at most `max_batch` of them where batches are concurrent.
            names: what is computed.
            places: of tiles, `(N,)`, for a graph that takes them; None for others.
            concurrent: other batches are computed meanwhile; otherwise every image may have all cores.
        """

    def run_prepared(
        self,
        prepared: NDArray[np.float32],
        size: tuple[int, int],
        names: Sequence[str],
        *,
        places: NDArray[np.int64] | None = None,
        concurrent: bool = False,
    ) -> Arrays:
        """One image as the networks see it to the named outputs.

        Args:
            prepared: `(C, S, S)` in [0, 1].
            size: `(H, W)` of the image itself, and of its maps and pictures.
            names: what is computed.
            places: as for `run`.
            concurrent: likewise.
        """


def best_batch(size: int) -> int:
    """Images of side `size` that one core computes best together.

    More of them leave its caches; with fewer, the matrices of the measurement are fetched more often (docs/adr/0008).
    At most 8, as many as are read together where nothing else is asked for.
    """
    return min(8, max(1, NETWORK_PIXELS // size**2))


def usable_cores(threads: int | None) -> int:
    """Cores to compute on: `threads`, or all that this process may use; at most 8, each has buffers of its own."""
    return min(8, threads or available_cores())


def available_cores() -> int:
    """Cores that this process may use, where the system tells, and all there are elsewhere."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def runtime_errors(graph_format: Format) -> Iterator[None]:
    """Turns what a runtime raises over a graph into one error that says what to do."""
    try:
        yield
    except UTADError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"the installed {graph_format} runtime does not accept the exported graph, which is undamaged: update it, "
            f"or run utad export again ({reason})"
        ) from None
