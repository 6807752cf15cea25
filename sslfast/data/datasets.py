"""Data sets by name. Each is read once, stored as one array, and memory-mapped from then on."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from ..errors import ConfigError, DataError, shown
from ..files import user_path
from ..study.datasets import FILE_KEYS, NAMED, dataset_names
from ..study.image_size import SMALLEST, checked_size, sides_of
from .decoding import ImageOptions, decode_files
from .elsewhere import with_unlabelled
from .folder import folder_key, read_folder
from .images import Arrays, ImageData, cached, default_data_root, unfinished
from .listing import content_digest, scan
from .scaling import scaled, taken
from .sources import source_content, unlabelled_files

__all__ = ["check_options", "load_dataset"]

FASTAIS = {  # words of fastai's loaders, and what is said here
    "valid_pct": "valid_fraction", "batch_size": "bs", "size": "image_size", "path": "the first argument",
    "item_tfms": "image_size and fit", "batch_tfms": "augment", "label_func": "labels (a table)",
}  # fmt: skip


def load_dataset(
    dataset: str,
    *,
    folder: str | Path | None = None,
    data_root: str | Path | None = None,
    follow_links: bool = False,
    labels: str | Mapping | None = None,
    unlabelled_from: str | Path | None = None,
    content: str | None = None,
    unlabelled_content: str | None = None,
    progress: TextIO | None = None,
    check: bool = False,
    **options,
) -> ImageData:
    """The data set called `dataset` (one of `dataset_names()`); for `folder`, a user's own images under `folder`.

    Data sets with a name: `digits` comes with scikit-learn; the others (see `sslfast.study.datasets`) are downloaded
    once, by torchvision, into `data_root`. STL-10 is scaled to `image_size` (training at 32 pixels costs a ninth of its
    own 96); its 100,000 images without a label are used like those in a folder's `unlabelled/`.

    `folder`: image files, see `sslfast.data.listing`. `labels`: a table of their classes, see `sslfast.data.labels`.
    `follow_links`: only for a folder that you trust. `options`: those of `ImageOptions`, that is, `image_size` (default
    32; (height, width) where images are not to be square) and `channels` (3 or 1); `test_fraction` and `test_seed`, by
    which test images are split off if there is no `test/` folder; `on_bad_image`; `fit`, how images get that shape
    (`crop`, `pad`, `squash`; see `sslfast.data.decoding`); `max_megapixels`, to be raised only for a folder that you
    trust.

    `unlabelled_from`: the name of another data set (its training images are taken), or a folder of images at any depth.
    Scaled to the size of the study, these images replace all that it could pre-train on (see `sslfast.data.elsewhere`).

    `content`, `unlabelled_content`: the folder's `content_digest` and the `source_content` of `unlabelled_from`, if
    they are known already, so that not every file has to be looked at again. `progress`: where the progress bar of
    decoding goes (default: stderr), if that is a terminal. `check`: compare stored images with their fingerprint, pixel
    by pixel.

    Raises `ConfigError` for an unknown name, `DataError` for images that are missing or bad.
    """
    if dataset not in dataset_names():
        raise ConfigError(f"dataset: found {dataset!r}, expected one of {', '.join(dataset_names())}")
    if unlabelled_from is not None and str(unlabelled_from) == dataset:
        raise ConfigError(f"unlabelled_from: found {dataset}, the study's own data set; leave the key out")
    given = {key: value for key, value in options.items() if value is not None}
    store = _Store(default_data_root(data_root), progress, check)
    if dataset == "folder":
        data = _of_folder(
            folder, ImageOptions(**given), content, {"follow_links": follow_links, "labels": labels}, store
        )
    else:
        data = _named(dataset, given, store)
    if unlabelled_from is None:
        return data
    of_files = {key: value for key, value in given.items() if key in FILE_KEYS}
    same = ImageOptions(data.train.image_size, data.train.channels, **of_files)
    return _with_unlabelled(data, str(unlabelled_from), unlabelled_content, same, follow_links, store)


def check_options(options: Mapping) -> None:
    """`ConfigError` for a name among `options` that `load_dataset` does not know."""
    known = [*(inspect.signature(load_dataset).parameters), *ImageOptions.__dataclass_fields__]
    for name in options:
        if name not in known or name in ("dataset", "options"):
            close = difflib.get_close_matches(name, known, n=1)
            hint = FASTAIS.get(name) or (close[0] if close else None)
            raise ConfigError(
                f"{name}: no option of image_dls; "
                + (f"here it is {hint}" if hint else "see help(image_dls) and help(load_dataset)")
            )


@dataclass(frozen=True)
class _Store:
    """Where images are stored, where the progress bar goes, and whether stored images are checked pixel by pixel."""

    root: Path
    progress: TextIO | None
    check: bool

    def get(self, name: str, key: str, read: Callable[[], Arrays]) -> ImageData:
        return cached(name, key, self.root, read, self.check)


def _of_folder(folder, options: ImageOptions, content: str | None, where: Mapping, store: _Store) -> ImageData:
    """The images of `folder`; `where`: the options of `scan`."""
    if folder is None:
        raise ConfigError("folder: missing; dataset: folder needs the path of your images here")
    path = Path(folder).expanduser()
    content = content or content_digest(path, scan(path, **where))
    key = folder_key(content, options)
    kept = unfinished("folder", key, store.root)
    return store.get("folder", key, lambda: read_folder(path, options, content, kept, store.progress, **where))


def _named(dataset: str, given: Mapping, store: _Store) -> ImageData:
    entry = NAMED[dataset]
    for key, own in (("image_size", entry.side), ("channels", entry.channels)):
        found = given.get(key, own)
        if key not in entry.keys and own != (checked_size(found) if key == "image_size" else found):
            raise ConfigError(f"{key}: found {shown(found)}, but that of {dataset}'s images is {own}; leave it out")
    options = ImageOptions(**{key: value for key, value in given.items() if key in entry.keys})
    if "image_size" in entry.keys and max(sides_of(options.image_size)) > entry.side:
        raise ConfigError(
            f"image_size: found {options.image_size}, expected {SMALLEST} to {entry.side} pixels, the size of"
            f" {dataset}'s images"
        )
    values = {key: getattr(options, key) for key in entry.keys}
    parts = ("x".join(map(str, value)) if isinstance(value, tuple) else value for value in values.values())
    key = "-".join(f"{key}-{part}" for key, part in zip(values, parts, strict=True)) or "whole"
    return store.get(dataset, key, lambda: entry.loader.load()(store.root, options, store.progress))


def _with_unlabelled(study, source, content, options, follow_links, store) -> ImageData:
    """`study` with the images of `source` as its unlabelled ones, scaled to the size and channels in `options`."""
    content, progress = content or source_content(source, follow_links), store.progress

    def of_data_set(_kept: Path) -> tuple[np.ndarray, dict]:
        entry = NAMED[source]
        wanted, side = options.image_size, entry.side  # as they are, where they are to become another shape
        size = (min(wanted, side) if isinstance(wanted, int) else side) if "image_size" in entry.keys else None
        other = load_dataset(source, data_root=store.root, image_size=size, progress=progress)
        images = scaled([other.train.pixels()], options.image_size, options.channels, store.root, progress, options.fit)
        return images, {"unlabelled_from": source}

    def of_folder(kept: Path) -> tuple[np.ndarray, dict]:
        path = user_path(source, "unlabelled_from")
        files = unlabelled_files(path, follow_links)
        if source_content(source, follow_links) != content:
            raise DataError(f"unlabelled_from: the images under {path} changed since the study looked; run it again")
        grey = study.notes.get("grey_range")  # one range for all images of the study
        ranges = (lambda *_: tuple(grey)) if grey else None
        paths = [file[0] for file in files]
        x, good, grey = decode_files(paths, options, progress, "unlabelled_from", ranges, kept)
        notes: dict[str, object] = {"grey_range": list(grey)} if grey else {}
        notes |= {"unlabelled_from": "a folder", "unlabelled_images_skipped": int((~good).sum())}
        notes |= {"fit": options.fit, "max_megapixels": options.max_megapixels}
        return taken(x, good, store.root), notes

    if source in NAMED:
        content = content if options.fit == "crop" else f"{content} {options.fit}"
        return with_unlabelled(study, source, content, of_data_set, store.root, store.check)
    return with_unlabelled(study, source, f"{content} {astuple(options)}", of_folder, store.root, store.check)
