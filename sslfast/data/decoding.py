"""Decode image files, by Pillow, to arrays of the size, shape and channels that a study asks for.

Images may be grey, in colour, with a palette or with transparency (shown on white), in 8 or more bits; EXIF orientation
is applied; of animated files, the first frame is used. The format is told by a file's content, not by its name. Formats
for which Pillow starts other programs, or has no decoder of its own, are not opened; HEIC needs pillow-heif
(`pip install 'sslfast[heic]'`).
"""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from PIL import Image, ImageOps

from ..errors import ConfigError, DataError
from ..study.image_size import ImageSize, checked_size, sides_of
from .readable import formats, others_like_it, what_is_wrong
from .unfinished import DEEP, DEEP_DONE, DONE, UNREADABLE, Unfinished

__all__ = [
    "MAX_MEGAPIXELS",
    "Decoding",
    "ImageOptions",
    "decode",
    "decode_files",
    "grey_range",
    "heads_of",
    "in_parallel",
    "is_deep_colour",
]

KEPT = 500  # images that may have to be decoded again after a kill
LARGE = 2**24  # pixels; larger images are decoded one at a time, as several at once could fill the memory
MAX_MEGAPIXELS = 179  # Pillow's own limit
FITS = ("crop", "pad", "squash")
SAMPLED = 1000  # images from whose values the range of grey is computed
PER_IMAGE = 4096  # values taken from each of them
PERCENTILES = (0.1, 99.9)
STRIP = 2**20  # pixels that are changed at once, so that large images are never copied as a whole

Range = tuple[float, float]
Unknown = Literal["unknown"]  # the range is computed once it is known which images are grey with more than 8 bits

_large_one = threading.Lock()


@dataclass(frozen=True)
class ImageOptions:
    """How a folder becomes images: size (see `image_size_of`), channels 1 or 3, how test images are split off, what is
    refused."""

    image_size: ImageSize = 32
    channels: int = 3
    test_fraction: float = 0.2
    test_seed: int = 0
    on_bad_image: str = "error"
    fit: str = "crop"
    max_megapixels: int = MAX_MEGAPIXELS

    def __post_init__(self):
        object.__setattr__(self, "image_size", checked_size(self.image_size))
        for key, good, expected in (
            ("channels", self.channels in (1, 3), "1 (grey) or 3 (colour)"),
            ("on_bad_image", self.on_bad_image in ("error", "skip"), "error or skip"),
            ("fit", self.fit in FITS, "crop, pad or squash"),
            ("max_megapixels", isinstance(self.max_megapixels, int) and self.max_megapixels > 0, "1 or more"),
        ):
            if not good:
                raise ConfigError(f"{key}: found {getattr(self, key)!r}, expected {expected}")


@dataclass(frozen=True)
class Decoding:
    """How the images of a data set were decoded, to decode new images for a network that was trained on them.

    `grey`: see `decode`.
    """

    image_size: ImageSize
    channels: int
    fit: str = "crop"
    grey: Range | None = None
    max_megapixels: int = MAX_MEGAPIXELS

    @classmethod
    def of(cls, notes: Mapping, image_size: ImageSize, channels: int) -> "Decoding":
        """The decoding of a data set, from the `notes` of its reader and the size and channels of its images."""
        grey, most = notes.get("grey_range"), notes.get("max_megapixels", MAX_MEGAPIXELS)
        return cls(image_size, channels, notes.get("fit", "crop"), tuple(grey) if grey else None, most)

    def __call__(self, sources: Sequence) -> np.ndarray:
        """New images (paths, open files, PIL images or uint8 arrays `[H, W]` or `[H, W, 3]`), uint8 `[N, H, W, C]`.

        Raises `DataError` for the first image that cannot be read.
        """
        x = np.empty((len(sources), *sides_of(self.image_size), self.channels), dtype=np.uint8)

        def one(i: int) -> None:
            source = sources[i]
            try:
                image = Image.fromarray(source) if isinstance(source, np.ndarray) else source
                x[i] = decode(image, self.image_size, self.channels, self.fit, self.grey, self.max_megapixels)
            except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
                name, path = (str(source), source) if isinstance(source, str | os.PathLike) else (f"number {i}", "")
                raise DataError(f"cannot read the image {name} ({what_is_wrong(str(path), error)})") from None

        with _no_limit_of_pillow():
            in_parallel(one, len(x), "decoding images", None)
        return x


class _DeepGrey(Exception):
    """Raised for a grey image of more than 8 bits while the range of its values is not known."""


def decode(
    source,
    image_size: ImageSize,
    channels: int,
    fit: str = "crop",
    grey: Range | Unknown | None = None,
    max_megapixels: int = MAX_MEGAPIXELS,
) -> np.ndarray:
    """One image (a path, an open file or a PIL image) as uint8 `[H, W, channels]` of `image_size`.

    EXIF orientation is applied. `fit`: `crop` scales the image until it covers `image_size`, and keeps the centre;
    `pad` scales it until it fits in, and adds black bars; `squash` scales each side by itself. `grey`: for grey
    images of more than 8 bits, the values that become 0 and 255 (default: 0 and 65535).
    """
    height, width = sides_of(image_size)
    longer = max(height, width)
    with _opened(source, max_megapixels) as image:
        n_pixels = image.width * image.height
        if not isinstance(source, Image.Image):  # JPEG decoders can halve an image several times at next to no cost
            image.draft(None, (2 * longer, 2 * longer))
        beyond = n_pixels > MAX_MEGAPIXELS * 1_000_000
        with _large_one if beyond or image.width * image.height > LARGE else nullcontext():
            if beyond:
                image = _reduced(image, longer)
            if isinstance(source, Image.Image):
                image = ImageOps.exif_transpose(image)
            else:  # avoids a copy
                ImageOps.exif_transpose(image, in_place=True)
            image, mode = _plain(image, grey), "L" if channels == 1 else "RGB"
            image = image if image.mode == mode else image.convert(mode)
            if image.size != (width, height):
                image = _FIT[fit](image, (width, height))
            return np.asarray(image, dtype=np.uint8).reshape(height, width, channels)


def decode_files(
    paths: list[str],
    options: ImageOptions,
    progress: TextIO | None,
    key: str = "folder",
    grey: Callable[[np.ndarray, np.ndarray], Range | None] | None = None,
    kept: Path | None = None,
) -> tuple[np.ndarray, np.ndarray, Range | None]:
    """Decode the files at `paths`; returns the images, which of them are readable, and the range of deep grey.

    Images: uint8 `[N, H, W, C]`. Readable: bool `[N]`, all true unless `on_bad_image` is `skip`. Range of deep grey
    (grey with more than 8 bits): the values that became 0 and 255; None without such images.

    `grey`: a function from two masks bool `[N]` (deep grey images, readable images) to that range; default:
    `grey_range` of all deep grey images. `kept`: the folder that keeps decoded images until the caller has all of them
    (see `Unfinished`). Raises `DataError` for the first unreadable image; the error begins with `key` and counts other
    files of its kind.
    """
    size, channels, fit, most = options.image_size, options.channels, options.fit, options.max_megapixels
    work = Unfinished(kept, paths, (*sides_of(size), channels))
    x, state = work.x, work.state

    def one(i: int, path: str, found: Range | Unknown | None) -> None:
        try:
            x[i] = decode(path, size, channels, fit, found, most)
            state[i] = DONE if state[i] == 0 else DEEP_DONE
        except _DeepGrey:
            state[i] = DEEP
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            if options.on_bad_image == "error":
                raise DataError(
                    f"{key}: cannot read the image {path} ({what_is_wrong(path, error)});{others_like_it(paths)}"
                    " replace or remove such files, or set on_bad_image: skip"
                ) from None
            state[i] = UNREADABLE

    def through(rows: np.ndarray, found: Range | Unknown | None, title: str) -> None:
        in_parallel(lambda i: one(rows[i], paths[rows[i]], found), len(rows), title, progress, work.keep)

    with _no_limit_of_pillow():
        through(np.flatnonzero(state == 0), "unknown", "decoding images")
        deep = (state == DEEP) | (state == DEEP_DONE)
        if not deep.any():
            return x, state != UNREADABLE, None
        found = grey(deep, state != UNREADABLE) if grey else grey_range([paths[i] for i in np.flatnonzero(deep)])
        through(np.flatnonzero(state == DEEP), found, "decoding deep grey images")
    return x, state != UNREADABLE, found


def grey_range(paths: list[str]) -> Range | None:
    """The range of grey values in which nearly all pixels of these images lie: 0.1 % are darker, 0.1 % brighter.

    (0, 255) if all values are whole numbers that fit into 8 bits; None if all pixels are equal or no image is readable.
    """
    parts, whole = [], True
    for path in paths[:: -(-len(paths) // SAMPLED)] if paths else []:
        try:
            with _opened(path, None) as image:
                pixels = np.asarray(image).ravel()
        except Exception:  # decoding will report it  # noqa: S112
            continue
        whole = whole and pixels.dtype.kind in "iu"
        parts.append(pixels[:: max(1, len(pixels) // PER_IMAGE)].astype(np.float64))
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    if whole and values.min() >= 0 and values.max() <= 255:
        return 0.0, 255.0
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    return (low, high) if high > low else None


def is_deep_colour(path: str) -> bool:
    """Whether an image has 16 bits per colour channel; Pillow keeps the upper 8."""
    with _opened(path, None) as image:
        return image.mode in ("RGB", "RGBA") and ";16" in str(getattr(image, "tile", ""))


def heads_of(paths: list[str], max_megapixels: int, progress: TextIO | None = None) -> list[tuple | str]:
    """What each file says about its image before it is decoded: (width, height), format, whether it is deep grey.

    Deep grey: grey with more than 8 bits. For a file that cannot be opened, the reason as text.
    """
    found: list[tuple | str] = [""] * len(paths)

    def one(i: int) -> None:
        try:
            with _opened(paths[i], max_megapixels) as image:
                found[i] = image.size, image.format or "?", image.mode.startswith("I") or image.mode == "F"
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            found[i] = what_is_wrong(paths[i], error)

    with _no_limit_of_pillow():
        in_parallel(one, len(paths), "looking at images", progress)
    return found


def in_parallel(
    one: Callable[[int], None], n: int, title: str, progress: TextIO | None, keep: Callable[[], None] = lambda: None
) -> None:
    """Call `one(i)` for all i below `n`, in threads, with a bar on `progress` (default: stderr) if that is a terminal.

    `keep` is called after every few hundred calls and at the end, even if the end is an error or an interruption.
    """
    from tqdm import tqdm

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    try:
        with ThreadPoolExecutor(threads) as pool:
            try:
                bar = tqdm(total=n, desc=title, unit=" images", file=progress or sys.stderr, disable=None, delay=0.5)
                with bar:
                    for count, _ in enumerate(pool.map(one, range(n)), 1):
                        bar.update()
                        if count % KEPT == 0:
                            keep()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        keep()


_FIT = {
    "crop": lambda image, size: ImageOps.fit(image, size, Image.Resampling.BICUBIC),
    "pad": lambda image, size: ImageOps.pad(image, size, Image.Resampling.BICUBIC),
    "squash": lambda image, size: image.resize(size, Image.Resampling.BICUBIC),
}


@contextmanager
def _opened(source, max_megapixels: int | None) -> Iterator[Image.Image]:
    if isinstance(source, Image.Image):
        yield source
        return
    with Image.open(source, formats=formats()) as image:
        megapixels = image.width * image.height / 1e6
        if max_megapixels and megapixels > max_megapixels:
            raise ValueError(
                f"it has {megapixels:,.0f} megapixels, more than max_megapixels: {max_megapixels}; set that key higher"
                " if you trust the file"
            )
        yield image


@contextmanager
def _no_limit_of_pillow() -> Iterator[None]:
    """Inside the block Pillow's own limit is off: its error names no key of a config, so ours is used instead."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """A very large image, made smaller first, so that the next steps make no copies of its full size."""
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"):
        return image
    factor = min(image.size) // (4 * side)
    return image.reduce(factor) if factor > 1 else image


def _plain(image: Image.Image, grey: Range | Unknown | None) -> Image.Image:
    """The image with 8 bits per channel and no transparency: deep grey is scaled, transparent pixels are on white."""
    if image.mode.startswith("I") or image.mode == "F":
        if grey == "unknown":
            image.load()  # so that a damaged image is an error now
            raise _DeepGrey
        values = np.asarray(image)
        if grey is None:
            grey = (0, 65535 if image.mode.startswith("I;16") or values.max() > 255 else 255)
        low, high = grey
        bytes_of = np.empty(values.shape, np.uint8)
        for top, bottom in _strips(image):
            part = (values[top:bottom].astype(np.float64) - low) * (255 / (high - low))
            bytes_of[top:bottom] = np.nan_to_num(part, posinf=255, neginf=0).round().clip(0, 255)
        return Image.fromarray(bytes_of)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = Image.new("RGB", image.size)
        for top, bottom in _strips(image):
            strip = image.crop((0, top, image.width, bottom)).convert("RGBA")
            opaque.paste(Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB"), (0, top))
        return opaque
    return image


def _strips(image: Image.Image) -> Iterator[tuple[int, int]]:
    """First row, and row after the last, of each strip of the image; strips have `STRIP` pixels or fewer."""
    rows = max(1, STRIP // image.width)
    return ((top, min(top + rows, image.height)) for top in range(0, image.height, rows))
