"""The last of many values, in memory that does not grow in a server that runs for weeks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class RecentRows:
    """The last rows that were added; not for several threads.

    Their memory is taken once. Thousands of small arrays that come and go one by one would keep blocks of the heap in
    use that others have left.

    Args:
        most: rows that are kept.
        columns: C, of a row.
        dtype: of the values.
    """

    def __init__(self, most: int, columns: int, dtype: type[np.floating]) -> None:
        self._rows = np.full((most, columns), np.nan, dtype)
        self._added = 0

    def add(self, row: NDArray[np.floating] | tuple[float, ...]) -> None:
        """Takes in one more, `(C,)`, in the place of the oldest where there are `most`."""
        self._rows[self._added % len(self._rows)] = row
        self._added += 1

    def rows(self) -> NDArray[np.floating]:
        """A copy, `(M, C)`, M at most `most`, in no particular order."""
        return self._rows[: self._added].copy()
