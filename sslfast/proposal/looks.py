"""What image files look like, from a sample that is quick to open, and which of them are copies."""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from ..data.decoding import decode, in_parallel, no_limit_of_pillow, opened, what_is_wrong
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
    """What up to 1,000 of `paths`, evenly spaced, look like. The bar goes to `progress` (default, stderr)."""
    some = list(paths[:: -(-len(paths) // OPENED)]) if paths else []
    few = some[:: -(-len(some) // DECODED)] if some else []
    heads: dict[int, tuple[tuple[int, int], str, bool]] = {}
    wrong: dict[str, str] = {}
    spread: dict[int, float] = {}

    def look(i: int) -> None:
        try:
            with opened(some[i], max_megapixels) as image:
                deep = image.mode.startswith("I") or image.mode == "F"
                heads[i] = (
                    image.size,
                    {"MPO": "JPEG", "HEIF": "HEIC"}.get(image.format or "", image.format or "?"),
                    deep,
                )
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            wrong[some[i]] = what_is_wrong(some[i], error)

    def see(i: int) -> None:
        try:
            pixels = decode(few[i], SIDE, 3, max_megapixels=max_megapixels).astype(np.float32)
            spread[i] = float((pixels.max(axis=2) - pixels.min(axis=2)).mean())
        except Exception as error:  # as above
            wrong[few[i]] = what_is_wrong(few[i], error)

    with no_limit_of_pillow():
        in_parallel(look, len(some), "looking at images", progress)
        start = time.perf_counter()
        in_parallel(see, len(few), "decoding some", progress)
        seconds = (time.perf_counter() - start) / max(1, len(few))
    sides = np.array([sorted(size) for size, _, _ in heads.values()], dtype=np.int64).reshape(-1, 2)
    formats, deep = Counter(kind for _, kind, _ in heads.values()), sum(deep for _, _, deep in heads.values())
    grey = sum(value < TINTED for value in spread.values())
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
