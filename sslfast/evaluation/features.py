"""Features of a net that is the same for all seeds, computed once for a study and shared by its jobs."""

import copy
import os
from pathlib import Path

import numpy as np
import torch

from ..data.images import ImageData, ImageSet
from ..data.row_sums import row_sum
from ..data.splits import Split
from ..errors import explain
from ..models import BaseNet
from .encoding import encode_batches, prove_same

__all__ = ["StoredFeatures"]

BATCH = 64  # images at once, always as many, so that no feature depends on which others are asked for
TURN = 8  # batches between two looks at what other jobs have done


class StoredFeatures:
    """`store(images, rows)`: what `encoder` makes of clean images at `rows`, float32 `[N, D]`.

    What a base net gives does not depend on `split`, which normalises. `folder`: where features of the images of
    `data` lie, one that whoever asks has named after all that they depend on; None keeps nothing.
    A row counts where its checksum is right, so that neither a crash nor two jobs at once can make it wrong. Jobs
    need not wait for each other: each begins at another place, and leaves out what has been done meanwhile. On a
    full disk, features are computed and not kept.
    """

    def __init__(
        self, encoder: BaseNet, data: ImageData, split: Split, folder: Path | None, device: torch.device, precision: str
    ):
        self.encoder, self.data, self.split, self.folder = encoder, data, split, folder
        self.device, self.precision = device, precision
        self.width = encoder.out_shape[0]

    def __call__(self, images: ImageSet, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows, dtype=np.int64)
        return np.array(self.filled(images, rows)[rows])

    def filled(self, images: ImageSet, rows: np.ndarray) -> np.ndarray:
        """Features of all `images`, float32 `[N, D]`, memory-mapped where they are kept; those at `rows` are there."""
        rows = np.asarray(rows, dtype=np.int64)
        try:
            features, sums = self._open(images)
        except OSError as error:
            print(f"{explain(error) or error}; features are not kept", flush=True)
            features, sums = np.zeros((len(images), self.width), np.float32), np.zeros(len(images), np.uint32)
        todo = _missing(features, sums, np.unique(rows))
        if len(todo):
            print(f"{len(todo):,} of {len(rows):,} images go through {self.encoder.name}", flush=True)
            self._fill(images, features, sums, np.roll(todo, -_place(len(todo))))
        return features

    def _open(self, images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
        if self.folder is None or (images is not self.data.train and images is not self.data.test):
            return np.zeros((len(images), self.width), np.float32), np.zeros(len(images), np.uint32)
        self.folder.mkdir(parents=True, exist_ok=True)
        content = "train" if images is self.data.train else "test"
        features = _array(self.folder / f"{content}.features", (len(images), self.width), np.float32)
        return features, _array(self.folder / f"{content}.sums", (len(images),), np.uint32)

    def _fill(self, images: ImageSet, features: np.ndarray, sums: np.ndarray, todo: np.ndarray) -> None:
        frozen = copy.deepcopy(self.encoder).to(self.device).eval()
        for part in np.split(todo, range(TURN * BATCH, len(todo), TURN * BATCH)):
            part = _missing(features, sums, part)
            for batch in np.split(part, range(BATCH, len(part), BATCH)) if len(part) else ():
                whole = np.resize(batch, BATCH)  # the last one is filled up with images that it has already
                made = encode_batches(frozen, images, whole, self.split, self.device, self.precision, "flatten")
                features[batch] = made[: len(batch)]
                sums[batch] = [row_sum(row) for row in features[batch]]
        prove_same(self.encoder, frozen)


def _array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, n_bytes)  # a full disk is an error here, a crash later
        else:
            os.truncate(handle, n_bytes)
    finally:
        os.close(handle)
    return np.memmap(path, dtype, "r+", shape=shape)


def _missing(features: np.ndarray, sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that have no features, or none that their sums bear out."""
    return np.array([row for row in rows if not sums[row] or sums[row] != row_sum(features[row])], dtype=np.int64)


def _place(n: int) -> int:
    """Where to begin among `n`: far apart for processes whose numbers follow each other."""
    return int(os.getpid() * 0.6180339887 % 1 * n)
