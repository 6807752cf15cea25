"""Data sets that torchvision downloads, once; their files are read only if their checksums are right."""

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from .._torchvision import make_importable
from ..errors import DataError, explain
from ..study.image_size import ImageSize
from .decoding import ImageOptions
from .images import Arrays
from .scaling import scaled

__all__ = ["TorchvisionSet", "cifar10", "cifar100", "fashion_mnist", "mnist", "stl10", "svhn"]

STL10_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
STL10_SIDE = 96  # pixels of the images in its files


@dataclass(frozen=True)
class TorchvisionSet:
    """A loader (see `sslfast.study.datasets.DataSet`) of a data set of torchvision.

    `name`: what it is called here; `kind`: its class in torchvision; `read`: the function that makes arrays of it;
    `place`: the folder that torchvision is given, below the folder of all data sets; `folder`, `files`: where a user
    without a network has to put which files.
    """

    name: str
    kind: str
    read: Callable[..., Arrays]
    place: str
    folder: str
    files: str

    def __call__(self, root: Path, options: ImageOptions, progress: TextIO | None) -> Arrays:
        """The data set under `root`, downloaded if it is not there.

        Raises `DataError` if files are missing or damaged and cannot be downloaded.
        """
        make_importable()
        import torchvision.datasets

        def get(**part):
            reader, place = getattr(torchvision.datasets, self.kind), root / self.place
            try:
                return reader(place, **part)
            except RuntimeError:  # missing or incomplete
                print(f"downloading {self.name} to {root} (once)", file=progress or sys.stderr)
                with contextlib.redirect_stdout(io.StringIO()):  # torchvision reports each mirror it tried
                    return reader(place, **part, download=True)

        try:
            return self.read(get, root, options.image_size, progress)
        except Exception as error:  # torchvision raises nearly anything on damaged files
            if explain(error):
                raise  # a full disk, for instance: `cached` says what to do
            raise DataError(
                f"dataset: {self.name} is not in {root}, or damaged, and could not be downloaded ({_reason(error)});"
                f" with a network, delete {root / self.folder} and try again; without, put {self.files} there"
            ) from None


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


def _stl10(get: Callable, root: Path, image_size: ImageSize, progress: TextIO | None) -> Arrays:
    """STL-10: 5,000 labelled training images, 8,000 test images, and 100,000 without a label, some of other things.

    Scaled from 96 pixels like the images of a folder; never all in memory at that size.
    """
    get(split="train")  # compares the checksums of all files, also of the 2.8 GB without labels
    folder = root / "stl10_binary"

    def images(part: str) -> np.ndarray:
        planes = np.memmap(folder / f"{part}_X.bin", np.uint8, "r").reshape(-1, 3, STL10_SIDE, STL10_SIDE)
        return planes.transpose(0, 3, 2, 1)  # files hold red, green and blue, each column by column

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
mnist = TorchvisionSet("mnist", "MNIST", _usual, "", "MNIST/raw", _IDX.format(", plain or .gz"))
fashion_mnist = TorchvisionSet("fashion_mnist", "FashionMNIST", _usual, "", "FashionMNIST/raw", _IDX.format(""))
cifar10 = TorchvisionSet(
    "cifar10", "CIFAR10", _usual, "", "cifar-10-batches-py",
    "the unpacked 'python version' (data_batch_1, …, batches.meta)",
)  # fmt: skip
cifar100 = TorchvisionSet(
    "cifar100", "CIFAR100", _usual, "", "cifar-100-python", "the unpacked 'python version' (train, test and meta)"
)
svhn = TorchvisionSet("svhn", "SVHN", _svhn, "svhn", "svhn", "train_32x32.mat and test_32x32.mat")
stl10 = TorchvisionSet(
    "stl10", "STL10", _stl10, "", "stl10_binary", "the unpacked 'binary files' (train_X.bin, …, unlabeled_X.bin)"
)
