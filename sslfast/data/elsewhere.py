"""`unlabelled_from`: a study's unlabelled images from another folder or data set, in place of its own.

The pool is then these images and no others: u = 1 is all of them, and no labelled image of the study is in it. An image
whose pixels (at the study's size) equal those of a labelled training, validation or test image is left out and counted,
so that pre-training sees no test or validation image, whatever the seed. Copies that were compressed, cropped or
recoloured are not recognised.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import DataError
from .images import Arrays, ImageData, cached, digests, unfinished
from .scaling import empty_images
from .splits import MIN_UNLABELLED

__all__ = ["with_unlabelled"]

CHUNK = 4096  # images


def with_unlabelled(
    study: ImageData,
    source: str,
    content: str,
    read: Callable[[Path], tuple[np.ndarray, dict]],
    root: Path,
    check: bool,
) -> ImageData:
    """`study` with the images of `read` as its pool of unlabelled images, stored under `root`.

    `read`: called if the images are not stored yet, with a folder for unfinished work (see `sslfast.data.unfinished`);
    returns images uint8 `[N, S, S, C]` of the study's size, and notes. `source`: what errors call these images.
    `content`: a text of everything that they depend on. `check`: see `cached`. Raises `DataError` if fewer than two
    images are left.
    """
    key = hashlib.sha256(f"{study.fingerprint} {content}".encode()).hexdigest()[:16]
    name = f"unlabelled-{key}"
    kept = unfinished(study.name, name, root)
    return cached(study.name, name, root, lambda: _joined(study, source, *read(kept), root), check)


def _joined(study: ImageData, source: str, outside: np.ndarray, notes: dict, root: Path) -> Arrays:
    own = np.flatnonzero(study.train.y.numpy() >= 0)
    known = {*digests(study.train.pixels(own)), *digests(study.test.pixels())}
    kept = np.array([digest not in known for digest in digests(outside)], dtype=bool)
    rows = np.flatnonzero(kept)
    if len(rows) < MIN_UNLABELLED:
        raise DataError(
            f"unlabelled_from: of {len(outside)} images of {source}, {len(outside) - len(rows)} are copies of images of"
            f" the study that have labels; expected {MIN_UNLABELLED} others or more"
        )
    x = empty_images((len(own) + len(rows), *outside.shape[1:]), root)
    for images, chosen, start in ((study.train.pixels(), own, 0), (outside, rows, len(own))):
        for at in range(0, len(chosen), CHUNK):
            part = chosen[at : at + CHUNK]
            x[start + at : start + at + len(part)] = images[part]
    y = np.concatenate([study.train.y.numpy()[own], np.full(len(rows), -1, dtype=np.int64)])
    notes = {
        **study.notes,
        "unlabelled_copies_left_out": len(outside) - len(rows),
        "own_unlabelled_left_out": len(study.train) - len(own),
        **notes,
    }
    test = study.test
    return Arrays(
        x,
        y,
        test.pixels(),
        test.y.numpy(),
        study.classes,
        notes,
        unlabelled_elsewhere=True,
        valid_rows=study.valid_rows,  # unlabelled images come after these
    )
