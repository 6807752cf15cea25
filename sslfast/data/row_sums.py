"""Checksums of the rows of large arrays, which are memory-mapped and never read whole."""

import zlib

import numpy as np

from ..errors import DataError

__all__ = ["RowSums", "row_sum"]


def row_sum(row: np.ndarray) -> int:
    """The CRC-32 of the row's bytes; never 0, which is for rows that nobody has filled."""
    return zlib.crc32(np.ascontiguousarray(row).data) or 1


class RowSums:
    """Whether rows of `x` `[N, …]` are as they were when `sums` `[N]`, of `row_sum`, were taken.

    A process looks at each row once, when it is first asked for: so a job reads for it what it trains on and no more,
    and a row that changed between two jobs is found all the same. `where`: what an error says that the rows are of.
    """

    def __init__(self, x: np.ndarray, sums: np.ndarray, where: str):
        self._x, self._sums, self._where = np.asarray(x), sums, where
        self._new = np.ones(len(sums), dtype=bool)

    def check(self, rows: np.ndarray | None = None) -> None:
        """Raises `DataError` for the first of `rows`, or of all, that has changed."""
        new = np.flatnonzero(self._new) if rows is None else np.unique(rows[self._new[rows]])
        for row in new:
            if row_sum(self._x[row]) != self._sums[row]:
                raise DataError(
                    f"data_root: image {row} of {self._where} has changed since it was stored; delete that folder and"
                    " run again"
                )
        self._new[new] = False
