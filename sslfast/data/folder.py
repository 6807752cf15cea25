"""A user's own images: from files in folders (see `listing`) to one array (see `decoding`)."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple
from itertools import compress
from pathlib import Path
from typing import TextIO

import numpy as np

from ..errors import DataError, printable
from .decoding import ImageOptions, Range, decode_files, grey_range, is_deep_colour
from .formats import kind_of_file
from .images import Arrays, digests
from .listing import Listing, content_digest, scan, too_few
from .looking import LeftOut
from .scaling import taken
from .splits import split_off

__all__ = ["folder_key", "read_folder"]

UNLABELLED = -1


def folder_key(content: str, options: ImageOptions) -> str:
    """A key that changes with `content` (see `content_digest`) and with how images are prepared."""
    return hashlib.sha256(f"{astuple(options)} {content}".encode()).hexdigest()[:16]


def read_folder(
    root: Path,
    options: ImageOptions,
    content: str,
    kept: Path,
    progress: TextIO | None = None,
    follow_links: bool = False,
    labels: str | Mapping | None = None,
) -> Arrays:
    """Decode every image under `root` (in parallel); if there are no test images, split some off.

    `kept`: the folder that keeps decoded images until all are done (see `Unfinished`), so that an interrupted job can
    resume; large arrays are files beside it, not in memory. Unlabelled images that equal a labelled one, pixel by
    pixel, are left out, so that pre-training sees no test or validation image. Raises `DataError` for the first
    unreadable image, unless `on_bad_image` is `skip`, and if the folder no longer has the `content_digest` `content`.
    """
    listing = scan(root, follow_links, labels)
    if content_digest(root, listing) != content:
        raise DataError(f"folder: the images under {root} changed since the study looked; run it again")
    label = {name: i for i, name in enumerate(listing.classes)}
    groups = [("train", listing.train), ("valid", listing.valid)]
    rows = [(file[0], label[name], part) for part, of in groups for name, files in of for file in files]
    rows += [(file[0], UNLABELLED, "unlabelled") for file in listing.unlabelled]
    rows += [(file[0], label[name], "test") for name, files in listing.test for file in files]
    paths, y = [path for path, _, _ in rows], np.array([label for _, label, _ in rows], dtype=np.int64)
    part = np.array([part for _, _, part in rows])

    def of_training(deep: np.ndarray, good: np.ndarray) -> Range | None:
        test = part == "test"
        if not listing.test:
            test[np.flatnonzero(good)[split_off(y[good], options.test_fraction, options.test_seed)]] = True
        return grey_range([paths[i] for i in np.flatnonzero(deep & good & ~test & (part != "valid"))])

    x, good, grey = decode_files(paths, options, progress, grey=of_training, kept=kept)
    left_out = LeftOut(str(root))
    skipped = [path for path, ok in zip(paths, good, strict=True) if not ok]
    for path in skipped:
        left_out.note(*_unreadable(path))
    if skipped:
        x, y, part, paths = taken(x, good, kept.parent), y[good], part[good], list(compress(paths, good))
        _check_what_is_left(root, listing, y, part, len(skipped))
    if not listing.test:
        part[split_off(y, options.test_fraction, options.test_seed)] = "test"
    if copies := _copies(x, y):
        unique = np.ones(len(y), dtype=bool)
        unique[copies] = False
        left_out.note(
            "copies of labelled images among the unlabelled ones",
            paths[copies[0]],
            "pre-training must not meet a test image",
            len(copies),
        )
        x, y, part, paths = taken(x, unique, kept.parent), y[unique], part[unique], list(compress(paths, unique))
    is_test = part == "test"
    notes = {
        **listing.notes,
        "images_skipped": len(skipped),
        "skipped": [printable(os.path.relpath(path, root)) for path in skipped[:100]],
        "left_out": listing.notes["left_out"] + left_out.as_list(),
        "warnings": listing.notes["warnings"] + _hard_to_see(x, paths),
        "test_split_off": not listing.test,
        "fit": options.fit,
        "max_megapixels": options.max_megapixels,
        "grey_range": grey and list(grey),
    }
    valid = np.flatnonzero(part[~is_test] == "valid")
    return Arrays(
        taken(x, ~is_test, kept.parent),
        y[~is_test],
        taken(x, is_test, kept.parent),
        y[is_test],
        tuple(listing.classes),
        notes,
        valid_rows=(int(valid[0]), int(valid[-1]) + 1) if len(valid) else None,
    )


def _hard_to_see(x: np.ndarray, paths: list[str]) -> list[str]:
    """Warnings about images in which nothing can be seen: of one colour, or nearly black.

    Images of 16 bits per channel that use only the lower 8 are nearly black, since the upper 8 are kept.
    """
    values = x.reshape(len(x), -1)
    least, most = values.min(1), values.max(1)
    deep = [path for path in compress(paths, (most < 16) & (most > 0)) if is_deep_colour(path)]
    found = []
    if flat := list(compress(paths, least == most)):
        found.append(f"{_are(flat)} of one colour all over")
    if deep:
        found.append(
            f"{_are(deep)} nearly black: of 16 bits per colour channel only the upper 8 are kept, but these images use"
            " the lower ones (as 12-bit images do); convert them to 8 bits"
        )
    return found


def _are(paths: list[str]) -> str:
    example = os.path.join(*Path(paths[0]).parts[-2:])
    return f"1 image ({example}) is" if len(paths) == 1 else f"{len(paths):,} images ({example}, …) are"


def _unreadable(path: str) -> tuple[str, str, str]:
    kind = kind_of_file(path)
    return f"unreadable files ({kind})" if kind else "unreadable files", path, ""


def _check_what_is_left(root: Path, listing: Listing, y: np.ndarray, part: np.ndarray, n_skipped: int) -> None:
    """Raises `DataError` if too few images of a class, or no test or validation images, could be read."""
    needed = 3 - bool(listing.test) - bool(listing.valid)
    left = Counter(y[part == "train"].tolist())
    for i, name in enumerate(listing.classes):
        if left[i] < needed:
            raise DataError(
                too_few(listing.tree / name, left[i], needed) + f" ({n_skipped} unreadable ones were skipped)"
            )
    for name, given in (("test", listing.test), ("valid", listing.valid)):
        if given and not (part == name).any():
            named = "test" if name == "test" else "validation"
            raise DataError(f"folder: none of the {named} images under {root} could be read")


def _copies(x: np.ndarray, y: np.ndarray) -> list[int]:
    """The rows of unlabelled images that equal a labelled image, pixel by pixel."""
    unlabelled = np.flatnonzero(y == UNLABELLED)
    if not len(unlabelled):
        return []
    known = set(digests(x[y != UNLABELLED]))
    return [int(i) for i, digest in zip(unlabelled, digests(x[unlabelled]), strict=True) if digest in known]
