"""Scale the images of one data set to the size and channels of another; large arrays are files, not in memory."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image

from ..study.image_size import ImageSize, sides_of
from ..study.limits import IN_MEMORY
from .decoding import decode, in_parallel

__all__ = ["empty_images", "scaled", "taken"]

CHUNK = 4096  # images


def scaled(
    parts: Sequence[np.ndarray],
    image_size: ImageSize,
    channels: int,
    root: Path,
    progress: TextIO | None = None,
    fit: str = "crop",
) -> np.ndarray:
    """The images of all `parts` (uint8, each `[n, h, w, c]`), one after the other, uint8 `[N, H, W, channels]`.

    They are scaled like the images of a folder (see `decode`, also for `fit`); colour becomes grey by ITU-R 601 luma.
    Images that need no change stay as they are. `root`: the folder for large arrays (see `empty_images`).
    """
    shape = (*sides_of(image_size), channels)
    if len(parts) == 1 and parts[0].shape[1:] == shape:
        return parts[0]
    n = sum(len(part) for part in parts)
    out, start = empty_images((n, *shape), root), 0
    for part in parts:
        target, start = out[start : start + len(part)], start + len(part)
        if part.shape[1:] == target.shape[1:]:
            for at in range(0, len(part), CHUNK):
                target[at : at + CHUNK] = part[at : at + CHUNK]
            continue
        grey = part.shape[3] == 1

        def one(i: int, part=part, target=target, grey=grey) -> None:
            image = Image.fromarray(np.ascontiguousarray(part[i, ..., 0] if grey else part[i]))
            target[i] = decode(image, image_size, channels, fit)

        in_parallel(one, len(part), "scaling images", progress)
    return out


def taken(images: np.ndarray, chosen: np.ndarray, root: Path) -> np.ndarray:
    """The images for which the mask `chosen` is true, `[n, h, w, c]`. `root`: see `empty_images`."""
    if chosen.all():
        return images
    rows = np.flatnonzero(chosen)
    out = empty_images((len(rows), *images.shape[1:]), root)
    for at in range(0, len(rows), CHUNK):
        part = rows[at : at + CHUNK]
        out[at : at + len(part)] = images[part]
    return out


def empty_images(shape: tuple[int, ...], root: Path) -> np.ndarray:
    """A uint8 array to be filled.

    A large one is a temporary file below `root`, which is removed with the array. The system can write its pages to
    disk, so there can be more images than fit into memory.
    """
    n_bytes = int(np.prod(shape, dtype=np.int64))
    if n_bytes <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(prefix=".sslfast-", dir=root) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk is an error here, a crash later
        return np.memmap(file, np.uint8, "w+", shape=shape)
