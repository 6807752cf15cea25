"""Decoded images, kept in a folder until all are decoded, so that an interrupted job resumes where it stopped."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from time import time
from typing import Literal

import numpy as np

from .row_sums import row_sum

__all__ = ["DEEP", "DEEP_DONE", "DONE", "UNREADABLE", "Unfinished", "forget_old"]

WEEK = 7 * 24 * 3600  # seconds
# States of a file; 0: not decoded. DEEP: grey with more than 8 bits, to be decoded when the range of values is known.
DONE, UNREADABLE, DEEP, DEEP_DONE = 1, 2, 3, 4


class Unfinished:
    """The images of `paths`, `x` uint8 `[N, *shape]`, and how far each is, `state` uint8 `[N]`.

    `folder`: where they are kept, for these files and this way of decoding alone; None keeps them in memory, and
    nothing for later. With a folder, `x` is memory-mapped, so that images may take more room than memory has; an image
    that has changed since it was kept is one of which nothing is known.
    """

    def __init__(self, folder: Path | None, paths: Sequence[str], shape: tuple[int, ...]):
        self.state = np.zeros(len(paths), np.uint8)
        self._kept: np.memmap | None = None
        self._sums: np.memmap | None = None
        self._folder: Path | None = None
        if folder is None:
            self.x = np.empty((len(paths), *shape), np.uint8)
            return
        self._folder = folder
        whose = sha256("\0".join(paths).encode(errors="surrogateescape")).hexdigest()[:16]
        n, images = len(paths), int(np.prod((len(paths), *shape)))
        sizes = {"images": images, "states": n, "sums": 4 * n}
        files = {part: folder / f"{whose}.{part}" for part in sizes}
        known = all(files[part].exists() and files[part].stat().st_size == size for part, size in sizes.items())
        folder.mkdir(parents=True, exist_ok=True)
        mode: Literal["r+", "w+"] = "r+" if known else "w+"
        self.x = np.memmap(files["images"], np.uint8, mode, shape=(n, *shape))
        self._kept = np.memmap(files["states"], np.uint8, mode, shape=(n,))
        self._sums = np.memmap(files["sums"], np.uint32, mode, shape=(n,))
        self.state[:] = self._kept
        self.state[[i for i in np.flatnonzero(self.state) if self._sums[i] != self._sum(int(i), self.state[i])]] = 0

    def keep(self) -> None:
        """What is done by now need not be done again, even if the machine stops."""
        if self._kept is not None and self._sums is not None:
            done = self.state.copy()  # before its images: none is taken for written that may not be
            for i in np.flatnonzero(done != self._kept):
                self._sums[i] = self._sum(int(i), done[i])
            self.x.flush()  # type: ignore[attr-defined]
            self._sums.flush()
            self._kept[:] = done
            self._kept.flush()

    def _sum(self, i: int, state: int) -> int:
        """Of what is known of image `i`, and of its pixels where they are there."""
        return row_sum(np.append(self.x[i] if state in (DONE, DEEP_DONE) else np.empty(0, np.uint8), np.uint8(state)))


def forget_old(place: Path, ending: str) -> None:
    """Remove folders in `place` that end with `ending` and are older than a week: their images have changed since."""
    for left in place.glob(f".*{ending}"):
        if time() - max((file.stat().st_mtime for file in left.iterdir()), default=0) > WEEK:
            rmtree(left, ignore_errors=True)
