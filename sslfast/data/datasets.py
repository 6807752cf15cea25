"""Data sets by name. Each is read once, stored as one array, and memory-mapped from then on."""

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np

from ..errors import ConfigError, DataError, explain
from .folder import FolderOptions, folder_key, read_folder
from .images import Arrays, ImageData, cached, default_data_root
from .listing import content_digest, scan
from .splits import split_off

__all__ = ["DATASETS", "load_dataset"]

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "folder")


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
    content: str | None = None,
    progress: TextIO | None = None,
    check: bool = False,
) -> ImageData:
    """The data set called `dataset` (one of `DATASETS`), or a user's own images under `folder`.

    `digits` ships with scikit-learn; `mnist`, `fashion_mnist` and `cifar10` come through
    torchvision, downloaded once into `data_root`; `folder` reads image files (see
    `sslfast.data.folder`) at `image_size` (default 32) with `channels` 3 (default) or 1, and
    splits `test_fraction` off as test images, by `test_seed`, where there is no `test/` folder. `content`,
    the folder's `content_digest` where it is known already, spares looking at every file once more.
    The bar of decoding goes to `progress` (default, stderr) if that is a terminal. With `check`, stored
    images are compared with their fingerprint, pixel by pixel.

    Raises `ConfigError` for an unknown name, `DataError` for images that are missing or bad.
    """
    root = default_data_root(data_root)
    if dataset == "folder":
        if folder is None:
            raise ConfigError("folder: missing; dataset: folder needs the path of your images here")
        options = FolderOptions(
            image_size=32 if image_size is None else image_size,
            channels=3 if channels is None else channels,
            test_fraction=test_fraction,
            test_seed=test_seed,
            on_bad_image=on_bad_image,
        )
        path = Path(folder).expanduser()
        content = content or content_digest(path, scan(path))
        return cached(
            "folder", folder_key(content, options), root, lambda: read_folder(path, options, content, progress), check
        )
    if dataset == "digits":
        return cached(
            "digits", f"t{test_fraction}-s{test_seed}", root, lambda: _digits(test_fraction, test_seed), check
        )
    if dataset in _TORCHVISION:
        return cached(dataset, "torchvision", root, lambda: _torchvision(dataset, root, progress), check)
    raise ConfigError(f"dataset: found {dataset!r}, expected one of {', '.join(DATASETS)}")


def _digits(test_fraction: float, test_seed: int) -> Arrays:
    """1,797 handwritten digits, 8 × 8, grey (UCI optical recognition of handwritten digits)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    y = digits.target.astype(np.int64)
    test = split_off(y, test_fraction, test_seed)
    train = np.setdiff1d(np.arange(len(y)), test)
    return Arrays(x[train], y[train], x[test], y[test], tuple(str(n) for n in range(10)))


# name: (class in torchvision.datasets, folder under data_root, files that must be there)
_TORCHVISION: dict[str, tuple[str, str, str]] = {
    "mnist": ("MNIST", "MNIST/raw", "the four IDX files (train-images-idx3-ubyte, …, plain or .gz)"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw", "the four IDX files (train-images-idx3-ubyte, …)"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py", "the unpacked 'python version' (data_batch_1, …, batches.meta)"),
}


def _torchvision(dataset: str, root: Path, progress: TextIO | None) -> Arrays:
    import torchvision.datasets

    name, folder, files = _TORCHVISION[dataset]
    reader: Callable = getattr(torchvision.datasets, name)

    def read(train: bool):
        try:
            return reader(root, train=train)
        except RuntimeError:  # not there, or not whole
            print(f"downloading {dataset} to {root} (once)", file=progress or sys.stderr)
            with contextlib.redirect_stdout(io.StringIO()):  # torchvision reports each mirror it tried
                return reader(root, train=train, download=True)

    try:
        train, test = read(True), read(False)
    except Exception as error:  # torchvision raises nearly anything on damaged files
        if explain(error):
            raise  # a full disk, say: `cached` tells what to do
        raise DataError(
            f"dataset: {dataset} is not in {root}, or damaged, and could not be downloaded ({_reason(error)});"
            f" with a network, delete {root / folder} and try again; without, put {files} there"
        ) from None
    arrays = [np.asarray(part.data, dtype=np.uint8) for part in (train, test)]
    train_x, test_x = (a if a.ndim == 4 else a[..., None] for a in arrays)
    labels = [np.asarray(part.targets, dtype=np.int64) for part in (train, test)]
    return Arrays(train_x, labels[0], test_x, labels[1], tuple(str(c) for c in train.classes))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
