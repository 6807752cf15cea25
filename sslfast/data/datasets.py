"""Data sets by name. Each is read once, stored as one array, and memory-mapped from then on."""

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TextIO

import numpy as np

from ..errors import ConfigError, DataError
from ..files import user_path
from ..study.datasets import DATASETS, NAMED, STL10_SIZE
from .decoding import MAX_MEGAPIXELS, FolderOptions, decode_files
from .elsewhere import with_unlabelled
from .folder import folder_key, read_folder
from .images import Arrays, ImageData, cached, default_data_root
from .listing import content_digest, scan
from .scaling import scaled
from .sources import source_content, unlabelled_files
from .splits import split_off
from .torchvision_sets import check_stl10_size, read_torchvision

__all__ = ["load_dataset"]


def load_dataset(
    dataset: str,
    *,
    folder: str | Path | None = None,
    data_root: str | Path | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    test_fraction: float = 0.2,
    test_seed: int = 0,
    on_bad_image: str = "error",
    fit: str = "crop",
    max_megapixels: int = MAX_MEGAPIXELS,
    follow_links: bool = False,
    labels: str | Mapping | None = None,
    content: str | None = None,
    unlabelled_from: str | Path | None = None,
    unlabelled_content: str | None = None,
    progress: TextIO | None = None,
    check: bool = False,
) -> ImageData:
    """The data set called `dataset` (one of `DATASETS`), or a user's own images under `folder`.

    `digits` ships with scikit-learn; `mnist`, `fashion_mnist`, `cifar10`, `cifar100`, `svhn` and `stl10` come
    through torchvision, downloaded once into `data_root`; `folder` reads image files (see
    `sslfast.data.listing`) at `image_size` (default 32) with `channels` 3 (default) or 1, and
    splits `test_fraction` off as test images, by `test_seed`, where there is no `test/` folder. `fit` says how images
    that are not square become so (`crop`, `pad`, `squash`; see `sslfast.data.decoding`), `labels` which table has the
    classes (see `sslfast.data.labels`); `follow_links` and `max_megapixels` are for a folder that you trust.
    `content`, the folder's `content_digest` where it is known already, spares looking at every file once more.
    STL-10 is scaled to `image_size` too (default 32, at which training costs a ninth of its own 96), and its
    100,000 images without a label are like those in a folder's `unlabelled/`.

    `unlabelled_from`, another data set's name (then its training images) or a folder of images at any depth, puts
    those, scaled, in place of all that the study could pre-train on (see `sslfast.data.elsewhere`);
    `unlabelled_content`, its `source_content`, spares looking once more.
    The bar of decoding goes to `progress` (default, stderr) if that is a terminal. With `check`, stored
    images are compared with their fingerprint, pixel by pixel.

    Raises `ConfigError` for an unknown name, `DataError` for images that are missing or bad.
    """
    root = default_data_root(data_root)
    if dataset not in DATASETS:
        raise ConfigError(f"dataset: found {dataset!r}, expected one of {', '.join(DATASETS)}")
    if unlabelled_from is not None and str(unlabelled_from) == dataset:
        raise ConfigError(f"unlabelled_from: found {dataset}, the study's own data set; leave the key out")
    size = 32 if image_size is None else image_size
    if dataset == "folder":
        if folder is None:
            raise ConfigError("folder: missing; dataset: folder needs the path of your images here")
        options = FolderOptions(
            image_size=size,
            channels=3 if channels is None else channels,
            test_fraction=test_fraction,
            test_seed=test_seed,
            on_bad_image=on_bad_image,
            fit=fit,
            max_megapixels=max_megapixels,
        )
        path = Path(folder).expanduser()
        content = content or content_digest(path, scan(path, follow_links, labels))
        key = folder_key(content, options)
        data = cached(
            "folder", key, root, lambda: read_folder(path, options, content, progress, follow_links, labels), check
        )
    elif dataset == "digits":
        key = f"t{test_fraction}-s{test_seed}"
        data = cached("digits", key, root, lambda: _digits(test_fraction, test_seed), check)
    else:
        key = "torchvision"
        if dataset == "stl10":
            check_stl10_size(size)
            key = f"torchvision-{size}"
        data = cached(dataset, key, root, lambda: read_torchvision(dataset, root, size, progress), check)
    if unlabelled_from is None:
        return data
    options = FolderOptions(
        data.train.image_size,
        data.train.channels,
        on_bad_image=on_bad_image,
        fit=fit,
        max_megapixels=max_megapixels,
    )
    source = str(unlabelled_from)
    return _with_unlabelled(data, source, unlabelled_content, options, follow_links, root, progress, check)


def _with_unlabelled(study, source, content, options, follow_links, root, progress, check) -> ImageData:
    """`study` with the unlabelled images of `source`, of the size and channels in `options`."""
    content = content or source_content(source, follow_links)

    def of_data_set() -> tuple[np.ndarray, dict]:
        size = min(options.image_size, STL10_SIZE) if source == "stl10" else None
        other = load_dataset(source, data_root=root, image_size=size, progress=progress)
        images = scaled([other.train.pixels()], options.image_size, options.channels, root, progress, options.fit)
        return images, {"unlabelled_from": source}

    def of_folder() -> tuple[np.ndarray, dict]:
        path = user_path(source, "unlabelled_from")
        files = unlabelled_files(path, follow_links)
        if source_content(source, follow_links) != content:
            raise DataError(f"unlabelled_from: the images under {path} changed since the study looked; run it again")
        grey = study.notes.get("grey_range")  # one range for all images of the study
        ranges = (lambda *_: tuple(grey)) if grey else None
        x, good, grey = decode_files([file[0] for file in files], options, progress, "unlabelled_from", ranges)
        notes = {"grey_range": grey and list(grey)} if grey else {}
        notes |= {"unlabelled_from": "a folder", "unlabelled_images_skipped": int((~good).sum())}
        return (x if good.all() else x[good]), notes

    if source in NAMED:
        content = content if options.fit == "crop" else f"{content} {options.fit}"
        return with_unlabelled(study, source, content, of_data_set, root, check)
    return with_unlabelled(study, source, f"{content} {astuple(options)}", of_folder, root, check)


def _digits(test_fraction: float, test_seed: int) -> Arrays:
    """1,797 handwritten digits, 8 × 8, grey (UCI optical recognition of handwritten digits)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    y = digits.target.astype(np.int64)
    test = split_off(y, test_fraction, test_seed)
    train = np.setdiff1d(np.arange(len(y)), test)
    return Arrays(x[train], y[train], x[test], y[test], tuple(str(n) for n in range(10)))
