"""A person's own images: from files in folders to one array.

Three layouts are read:

* `train/<class>/…`, optionally `test/<class>/…` and `unlabelled/…`;
* the same without `test/`: test images are split off the training images, class by class;
* one tree, `<class>/…`, optionally with `unlabelled/…`: the same.

Images may lie at any depth below their class. PNG, JPEG, BMP and WebP, in grey, RGB, palette or
with transparency (shown on white), in 8 or 16 bits; EXIF orientation is honoured. Other files
are passed over and counted.
"""

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import DataError
from .images import Arrays
from .splits import split_off

__all__ = ["FolderOptions", "folder_key", "read_folder", "scan"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp"}
UNLABELLED = -1


@dataclass(frozen=True)
class FolderOptions:
    """How a folder becomes images: size in pixels, channels 1 or 3, where test images come from."""

    image_size: int = 32
    channels: int = 3
    test_fraction: float = 0.2
    test_seed: int = 0
    on_bad_image: str = "error"


@dataclass
class Listing:
    """The image files of a folder: `(path, size, time in ns)` a file, by part and class."""

    classes: list[str]
    train: list[tuple[str, list]]
    test: list[tuple[str, list]]
    unlabelled: list
    notes: dict = field(default_factory=dict)


def scan(root: Path) -> Listing:
    """List the images under `root` by part and class, without opening any of them.

    Raises `DataError` where the folder cannot make a study: missing, empty, one class only, a
    class with a single image, or a test class that training does not know.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DataError(f"folder: found {found} at {root}, expected a folder of images (see config/README.md)")
    tops = {entry.name: entry.path for entry in _entries(root) if entry.is_dir() and not entry.name.startswith(".")}
    tree = tops.pop("train", None)
    test_folder = tops.pop("test", None) if tree else None
    unlabelled_folder = tops.pop("unlabelled", None)
    ignored = _Counter()
    if tree:
        class_folders = {e.name: e.path for e in _entries(Path(tree)) if e.is_dir() and not e.name.startswith(".")}
        ignored.n += len(tops)
    elif "test" in tops:
        raise DataError(f"folder: {root} has test/ but no train/; expected train/<class>/ beside it")
    else:
        class_folders, tree = tops, str(root)
    train = [(name, _images(path, ignored)) for name, path in sorted(class_folders.items())]
    classes = [name for name, files in train if files]
    if not classes:
        raise DataError(
            f"folder: found no images in class folders under {tree};"
            " expected <class>/<image> with PNG, JPEG, BMP or WebP files"
        )
    if empty := [name for name, files in train if not files]:
        raise DataError(f"folder: the class folder {Path(tree) / empty[0]} has no images; add some or remove it")
    if len(classes) == 1:
        raise DataError(f"folder: found one class only ({classes[0]}) under {tree}; expected two or more")
    test = []
    if test_folder:
        test = [(e.name, _images(e.path, ignored)) for e in sorted(_entries(Path(test_folder)), key=lambda e: e.name)
                if e.is_dir() and not e.name.startswith(".")]  # fmt: skip
        for name, files in test:
            if files and name not in classes:
                raise DataError(
                    f"folder: test/{name} is a class that train/ does not have (it has {_some(classes)});"
                    " rename or remove it"
                )
        test = [(name, files) for name, files in test if files]
        if not test:
            raise DataError(f"folder: {test_folder} has no images; add some, or remove it to split test images off")
    unlabelled = _images(unlabelled_folder, ignored) if unlabelled_folder else []
    needed = 2 if test else 3  # one each for labelled, validation and (where split off) test
    for name, files in train:
        if len(files) < needed:
            raise DataError(_too_few(Path(tree) / name, len(files), needed))
    return Listing(classes, train, test, unlabelled, {"files_ignored": ignored.n})


def folder_key(root: Path, options: FolderOptions) -> str:
    """Changes when any image's name, size or date does, or the way in which images are prepared."""
    listing, digest = scan(root), hashlib.sha256(repr(astuple(options)).encode())
    for part, groups in (("train", listing.train), ("test", listing.test), ("u", [("", listing.unlabelled)])):
        for name, files in groups:
            digest.update(f"{part}\0{name}\0{len(files)}\0".encode("utf-8", "surrogateescape"))
            for path, size, date in files:
                digest.update(f"{os.path.relpath(path, root)}\0{size}\0{date}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def read_folder(root: Path, options: FolderOptions, progress: bool = False) -> Arrays:
    """Decode every image under `root` (in parallel) and split test images off where there are none.

    Raises `DataError` naming the first unreadable image, unless `on_bad_image` is `skip`.
    """
    listing = scan(root)
    label = {name: i for i, name in enumerate(listing.classes)}
    train = [(file[0], label[name]) for name, files in listing.train for file in files]
    train += [(file[0], UNLABELLED) for file in listing.unlabelled]
    test = [(file[0], label[name]) for name, files in listing.test for file in files]
    x, good = _decode([path for path, _ in train + test], options, progress)
    y = np.array([label for _, label in train + test], dtype=np.int64)
    is_test = np.arange(len(y)) >= len(train)
    skipped = [path for (path, _), ok in zip(train + test, good, strict=True) if not ok]
    if skipped:
        x, y, is_test = x[good], y[good], is_test[good]
        needed = 2 if test else 3
        for i, name in enumerate(listing.classes):
            if (left := int(((y == i) & ~is_test).sum())) < needed:
                raise DataError(_too_few(root / name, left, needed) + f" ({len(skipped)} unreadable ones were skipped)")
        if test and not is_test.any():
            raise DataError(f"folder: none of the test images under {root} could be read")
    if not test:
        is_test[split_off(y, options.test_fraction, options.test_seed)] = True
    notes = {
        **listing.notes,
        "images_skipped": len(skipped),
        "skipped": [os.path.relpath(path, root) for path in skipped[:100]],
        "test_split_off": not test,
    }
    return Arrays(x[~is_test], y[~is_test], x[is_test], y[is_test], tuple(listing.classes), notes)


def decode(source, image_size: int, channels: int) -> np.ndarray:
    """One image (a path, an open file or a PIL image) as uint8 `[image_size, image_size, channels]`.

    Upright by its EXIF orientation, the shorter side scaled to `image_size`, cropped to the centre.
    """
    with source if isinstance(source, Image.Image) else Image.open(source) as image:
        # JPEG decoders can halve an image several times over at next to no cost
        image.draft(None, (2 * image_size, 2 * image_size))
        image = _plain(ImageOps.exif_transpose(image))
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (image_size, image_size):
            image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)
        return np.asarray(image, dtype=np.uint8).reshape(image_size, image_size, channels)


def _plain(image: Image.Image) -> Image.Image:
    """8 bits a channel and opaque: 16-bit grey scaled, transparent pixels shown on white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray((values / 257 if values.max() > 255 else values).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _decode(paths: list[str], options: FolderOptions, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    from tqdm import tqdm

    size, channels = options.image_size, options.channels
    x = np.empty((len(paths), size, size, channels), dtype=np.uint8)
    good = np.ones(len(paths), dtype=bool)

    def one(i: int) -> None:
        try:
            x[i] = decode(paths[i], size, channels)
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            if options.on_bad_image == "error":
                raise DataError(
                    f"folder: cannot read the image {paths[i]} ({_reason(error)});"
                    " replace or remove it, or set on_bad_image: skip"
                ) from None
            good[i] = False

    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        try:
            bar = tqdm(total=len(paths), desc="decoding images", unit=" images", disable=not progress, file=sys.stderr)
            with bar:
                for _ in pool.map(one, range(len(paths))):
                    bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return x, good


class _Counter:
    n = 0


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError:
        raise DataError(f"folder: not allowed to read {folder}; change its permissions or move it away") from None


def _images(folder: str, ignored: _Counter) -> list[tuple[str, int, int]]:
    """Image files below `folder`, sorted by path: `(path, bytes, modification time in ns)`."""
    found, folders = [], [folder]
    while folders:
        for entry in _entries(Path(folders.pop())):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                status = entry.stat()
                found.append((entry.path, status.st_size, status.st_mtime_ns))
            else:
                ignored.n += 1
    return sorted(found)


def _too_few(folder: Path, found: int, needed: int) -> str:
    use = "training and validation" if needed == 2 else "training, validation and test"
    images = "a single image" if found == 1 else f"{found} images"
    return f"folder: the class folder {folder} has {images}, expected at least {needed} (one each for {use})"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
