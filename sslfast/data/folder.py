"""A person's own images: from files in folders (see `listing`) to one array.

PNG, JPEG, BMP and WebP, in grey, RGB, palette or with transparency (shown on white), in 8 or 16
bits; EXIF orientation is honoured. What a file is, its content says and not its name. Images whose header
claims more pixels than Pillow takes (some 179 million) are unreadable ones.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image, ImageOps

from ..errors import ConfigError, DataError, printable
from .images import Arrays
from .listing import content_digest, scan, too_few
from .splits import split_off

__all__ = ["ImageOptions", "decode", "decode_files", "folder_key", "in_parallel", "read_folder"]

UNLABELLED = -1
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF")  # Pillow would also open EPS, and start Ghostscript on it
LARGE = 2**24  # pixels; larger images are decoded one at a time, or a few small files would fill the memory
_large_one = threading.Lock()


@dataclass(frozen=True)
class ImageOptions:
    """How files become images: size in pixels, channels 1 or 3, where test images come from."""

    image_size: int = 32
    channels: int = 3
    test_fraction: float = 0.2
    test_seed: int = 0
    on_bad_image: str = "error"

    def __post_init__(self):
        for key, good, expected in (
            ("image_size", isinstance(self.image_size, int) and self.image_size >= 8, "8 pixels or more"),
            ("channels", self.channels in (1, 3), "1 (grey) or 3 (colour)"),
            ("on_bad_image", self.on_bad_image in ("error", "skip"), "error or skip"),
        ):
            if not good:
                raise ConfigError(f"{key}: found {getattr(self, key)!r}, expected {expected}")


def folder_key(content: str, options: ImageOptions) -> str:
    """Changes when any image's name, size or date does (`content_digest`), or how images are prepared."""
    return hashlib.sha256(f"{astuple(options)} {content}".encode()).hexdigest()[:16]


def read_folder(root: Path, options: ImageOptions, content: str, progress: TextIO | None = None) -> Arrays:
    """Decode every image under `root` (in parallel) and split test images off where there are none.

    Raises `DataError` naming the first unreadable image, unless `on_bad_image` is `skip`, and where the
    folder holds something else by now than `content` (its `content_digest`) says.
    """
    listing = scan(root)
    if content_digest(root, listing) != content:
        raise DataError(f"folder: the images under {root} changed since the study looked; run it again")
    label = {name: i for i, name in enumerate(listing.classes)}
    train = [(file[0], label[name]) for name, files in listing.train for file in files]
    train += [(file[0], UNLABELLED) for file in listing.unlabelled]
    test = [(file[0], label[name]) for name, files in listing.test for file in files]
    x, good = decode_files([path for path, _ in train + test], options, progress)
    y = np.array([label for _, label in train + test], dtype=np.int64)
    is_test = np.arange(len(y)) >= len(train)
    skipped = [path for (path, _), ok in zip(train + test, good, strict=True) if not ok]
    if skipped:
        x, y, is_test = x[good], y[good], is_test[good]
        needed = 2 if test else 3
        for i, name in enumerate(listing.classes):
            if (left := int(((y == i) & ~is_test).sum())) < needed:
                raise DataError(
                    too_few(listing.tree / name, left, needed) + f" ({len(skipped)} unreadable ones were skipped)"
                )
        if test and not is_test.any():
            raise DataError(f"folder: none of the test images under {root} could be read")
    if not test:
        is_test[split_off(y, options.test_fraction, options.test_seed)] = True
    notes = {
        **listing.notes,
        "images_skipped": len(skipped),
        "skipped": [printable(os.path.relpath(path, root)) for path in skipped[:100]],
        "test_split_off": not test,
    }
    return Arrays(x[~is_test], y[~is_test], x[is_test], y[is_test], tuple(listing.classes), notes)


def decode(source, image_size: int, channels: int) -> np.ndarray:
    """One image (a path, an open file or a PIL image) as uint8 `[image_size, image_size, channels]`.

    Upright by its EXIF orientation, the shorter side scaled to `image_size`, cropped to the centre.
    """
    given = isinstance(source, Image.Image)
    with nullcontext(source) if given else Image.open(source, formats=FORMATS) as image:
        if not given:  # JPEG decoders can halve an image several times over at next to no cost
            image.draft(None, (2 * image_size, 2 * image_size))
        with _large_one if image.width * image.height > LARGE else nullcontext():
            image = _plain(ImageOps.exif_transpose(image))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (image_size, image_size):
                image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)
            return np.asarray(image, dtype=np.uint8).reshape(image_size, image_size, channels)


def _plain(image: Image.Image) -> Image.Image:
    """8 bits a channel and opaque: 16-bit grey scaled, transparent pixels shown on white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        sixteen_bits = image.mode.startswith("I;16") or values.max() > 255
        return Image.fromarray((values / (257 if sixteen_bits else 1)).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def decode_files(
    paths: list[str], options: ImageOptions, progress: TextIO | None, key: str = "folder"
) -> tuple[np.ndarray, np.ndarray]:
    """Images of `paths`, uint8 `[N, S, S, C]`, and which of them could be read: all, unless `on_bad_image` is `skip`.

    Raises `DataError`, which begins with `key`, for the first unreadable image.
    """
    size, channels = options.image_size, options.channels
    x = np.empty((len(paths), size, size, channels), dtype=np.uint8)
    good = np.ones(len(paths), dtype=bool)

    def one(i: int) -> None:
        try:
            x[i] = decode(paths[i], size, channels)
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            if options.on_bad_image == "error":
                raise DataError(
                    f"{key}: cannot read the image {paths[i]} ({_reason(error)});"
                    " replace or remove it, or set on_bad_image: skip"
                ) from None
            good[i] = False

    in_parallel(one, len(paths), "decoding images", progress)
    return x, good


def in_parallel(one: Callable[[int], None], n: int, title: str, progress: TextIO | None) -> None:
    """`one(i)` for i below `n`, in threads, with a bar on `progress` (default, stderr) if that is a terminal."""
    from tqdm import tqdm

    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        try:
            with tqdm(total=n, desc=title, unit=" images", file=progress or sys.stderr, disable=None) as bar:
                for _ in pool.map(one, range(n)):
                    bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
