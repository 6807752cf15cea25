"""What image files look like, from a sample that is quick to open, and which of them are copies."""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from ..data.decoding import ImageOptions, decode_files, heads_of, in_parallel
from ..data.looking import File

__all__ = ["Sample", "copies_among", "sample_of"]

OPENED, DECODED = 1000, 64  # files that are opened for their size and format, and those that are decoded
SIDE = 64  # pixels to which these are scaled
TINTED = 2.0  # mean difference between the channels of an image, of 255, from which on it has colours
HEAD = 2**16  # bytes in which files of the same size mostly differ
LONGEST = 5.0  # seconds after which no more files are compared


@dataclass(frozen=True)
class Sample:
    """Some of the files. `sides`: (shorter, longer) in pixels, `[n, 2]`, of those that could be opened; `formats`: how
    many of each; `deep`: how many of more than 8 bits of grey; `grey`: how many of `n_decoded` have no colours;
    `seconds`: to decode one, all cores at work; `unreadable`: paths, and why."""

    n: int
    sides: np.ndarray
    formats: Counter[str]
    deep: int
    grey: int
    n_decoded: int
    seconds: float
    unreadable: list[tuple[str, str]]


def sample_of(paths: Sequence[str], max_megapixels: int, progress: TextIO | None = None) -> Sample:
    """What up to 1,000 of `paths`, evenly spaced, look like. Bars go to `progress` (default, stderr)."""
    some = _evenly(paths, OPENED)
    found = dict(zip(some, heads_of(some, max_megapixels, progress), strict=True))
    wrong = {path: head for path, head in found.items() if isinstance(head, str)}
    heads = [head for head in found.values() if not isinstance(head, str)]
    few = _evenly([path for path in some if path not in wrong], DECODED)
    options = ImageOptions(SIDE, 3, on_bad_image="skip", max_megapixels=max_megapixels)
    start = time.perf_counter()
    pixels, good, _ = decode_files(few, options, progress)
    seconds = (time.perf_counter() - start) / max(1, len(few))
    wrong |= {path: "it is damaged" for path, ok in zip(few, good, strict=True) if not ok}
    spread = (pixels[good].max(axis=3) - pixels[good].min(axis=3)).mean(axis=(1, 2))
    sides = np.array([sorted(size) for size, _, _ in heads], dtype=np.int64).reshape(-1, 2)
    formats = Counter({"MPO": "JPEG", "HEIF": "HEIC"}.get(kind, kind) for _, kind, _ in heads)
    deep, grey = sum(deep for _, _, deep in heads), int((spread < TINTED).sum())
    return Sample(len(some), sides, formats, deep, grey, len(spread), seconds, sorted(wrong.items()))


def copies_among(files: Sequence[File], progress: TextIO | None = None) -> tuple[list[list[str]], bool]:
    """Paths of files of the same content, a list for each content, and whether all files were compared.

    Only files of the same size are read, and for some seconds at most.
    """
    by_size = defaultdict(list)
    for path, size, _ in files:
        by_size[size].append(path)
    alike = [paths for paths in by_size.values() if len(paths) > 1]
    end = time.perf_counter() + LONGEST
    by_head = _by_digest(alike, HEAD, end, progress)
    groups = _by_digest(by_head, None, end, progress)
    return sorted(groups), time.perf_counter() < end


def _evenly(paths: Sequence[str], most: int) -> list[str]:
    return list(paths[:: -(-len(paths) // most)]) if paths else []


def _by_digest(groups: list[list[str]], n_bytes: int | None, end: float, progress: TextIO | None) -> list[list[str]]:
    """The groups again, each by what the first `n_bytes` (or all) of its files hold; those of one file are left out."""
    paths = [(number, path) for number, group in enumerate(groups) for path in group]
    found = defaultdict(list)

    def read(i: int) -> None:
        number, path = paths[i]
        if time.perf_counter() < end:
            try:
                with open(path, "rb") as file:
                    digest = hashlib.blake2b(file.read(n_bytes) if n_bytes else file.read()).digest()
                found[number, digest].append(path)
            except OSError:  # whoever decodes it says so
                pass

    if paths:
        in_parallel(read, len(paths), "comparing files", progress)
    return [sorted(same) for same in found.values() if len(same) > 1]
