"""Data sets that come through torchvision: downloaded once, and read only if their sums are those it knows."""

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from .._torchvision import make_importable
from ..errors import ConfigError, DataError, explain
from ..study.datasets import STL10_SIZE
from .images import Arrays
from .scaling import scaled

__all__ = ["TORCHVISION", "check_stl10_size", "read_torchvision"]

STL10_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


class _Source(NamedTuple):
    """Its class in torchvision, what makes arrays of it, where torchvision looks, its folder and files there."""

    name: str
    read: Callable[..., Arrays]
    place: str
    folder: str
    files: str


def read_torchvision(dataset: str, root: Path, image_size: int, progress: TextIO | None) -> Arrays:
    """The data set called `dataset` (of `TORCHVISION`) under `root`, downloaded if it is not there.

    `image_size` is for STL-10, whose images are scaled. Raises `DataError` if files are missing or damaged and
    cannot be downloaded.
    """
    make_importable()
    import torchvision.datasets

    source = TORCHVISION[dataset]

    def get(**part):
        reader, place = getattr(torchvision.datasets, source.name), root / source.place
        try:
            return reader(place, **part)
        except RuntimeError:  # not there, or not whole
            print(f"downloading {dataset} to {root} (once)", file=progress or sys.stderr)
            with contextlib.redirect_stdout(io.StringIO()):  # torchvision reports each mirror it tried
                return reader(place, **part, download=True)

    try:
        return source.read(get, root, image_size, progress)
    except Exception as error:  # torchvision raises nearly anything on damaged files
        if explain(error):
            raise  # a full disk, say: `cached` tells what to do
        raise DataError(
            f"dataset: {dataset} is not in {root}, or damaged, and could not be downloaded ({_reason(error)});"
            f" with a network, delete {root / source.folder} and try again; without, put {source.files} there"
        ) from None


def check_stl10_size(image_size: int) -> None:
    """`ConfigError` for a size that STL-10's images cannot be scaled down to."""
    if not 8 <= image_size <= STL10_SIZE:
        raise ConfigError(f"image_size: found {image_size}, expected 8 to {STL10_SIZE} pixels, the size of STL-10")


def _usual(get: Callable, *_) -> Arrays:
    train, test = get(train=True), get(train=False)
    arrays = [np.asarray(part.data, dtype=np.uint8) for part in (train, test)]
    train_x, test_x = (a if a.ndim == 4 else a[..., None] for a in arrays)
    labels = [np.asarray(part.targets, dtype=np.int64) for part in (train, test)]
    return Arrays(train_x, labels[0], test_x, labels[1], tuple(str(c) for c in train.classes))


def _svhn(get: Callable, *_) -> Arrays:
    """Street View House Numbers, 32 × 32 in colour: 73,257 to train on, 26,032 to test (its `extra` is not read)."""
    parts = [get(split=split) for split in ("train", "test")]
    (train_x, test_x), (train_y, test_y) = (
        [np.ascontiguousarray(part.data.transpose(0, 2, 3, 1)) for part in parts],
        [np.asarray(part.labels, dtype=np.int64) for part in parts],
    )
    return Arrays(train_x, train_y, test_x, test_y, tuple(str(n) for n in range(10)))


def _stl10(get: Callable, root: Path, image_size: int, progress: TextIO | None) -> Arrays:
    """STL-10: 5,000 labelled images to train on, 8,000 to test, and 100,000 without a label, of which some show
    other things. Scaled from 96 pixels like the images of a folder; at no time all in memory at their own size."""
    get(split="train")  # which compares the sums of all files, the 2.8 GB without labels included
    folder = root / "stl10_binary"

    def images(part: str) -> np.ndarray:
        planes = np.memmap(folder / f"{part}_X.bin", np.uint8, "r").reshape(-1, 3, STL10_SIZE, STL10_SIZE)
        return planes.transpose(0, 3, 2, 1)  # red, green and blue, each column by column

    def labels(part: str) -> np.ndarray:
        return np.fromfile(folder / f"{part}_y.bin", np.uint8).astype(np.int64) - 1

    train_y, unlabelled = labels("train"), images("unlabeled")
    train_x = scaled([images("train"), unlabelled], image_size, 3, root, progress)
    test_x = scaled([images("test")], image_size, 3, root, progress)
    train_y = np.concatenate([train_y, np.full(len(unlabelled), -1)])
    return Arrays(train_x, train_y, test_x, labels("test"), STL10_CLASSES)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


_IDX = "the four IDX files (train-images-idx3-ubyte, …{})"
TORCHVISION: dict[str, _Source] = {
    "mnist": _Source("MNIST", _usual, "", "MNIST/raw", _IDX.format(", plain or .gz")),
    "fashion_mnist": _Source("FashionMNIST", _usual, "", "FashionMNIST/raw", _IDX.format("")),
    "cifar10": _Source(
        "CIFAR10", _usual, "", "cifar-10-batches-py", "the unpacked 'python version' (data_batch_1, …, batches.meta)"
    ),
    "cifar100": _Source(
        "CIFAR100", _usual, "", "cifar-100-python", "the unpacked 'python version' (train, test and meta)"
    ),
    "svhn": _Source("SVHN", _svhn, "svhn", "svhn", "train_32x32.mat and test_32x32.mat"),
    "stl10": _Source(
        "STL10", _stl10, "", "stl10_binary", "the unpacked 'binary files' (train_X.bin, …, unlabeled_X.bin)"
    ),
}
