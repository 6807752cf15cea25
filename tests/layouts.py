"""Data sets as their authors lay them out on disk, made of scikit-learn's digits."""

import gzip
import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
IDX_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}  # their names in torchvision, and of their folders
CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

Parts = dict[str, tuple[np.ndarray, np.ndarray]]


def grey_parts(digit_images: Callable[[str], np.ndarray]) -> Parts:
    """Part → (images `[N, 28, 28]`, labels): digits, three times as large, with a border."""
    parts = {}
    for part, rows in (("train", slice(0, 8)), ("t10k", slice(8, 11))):
        small = np.concatenate([digit_images(name)[rows] for name in DIGITS])
        large = np.kron(small, np.ones((1, 3, 3), dtype=np.uint8))
        labels = np.repeat(np.arange(10, dtype=np.uint8), len(small) // 10)
        parts[part] = np.pad(large, ((0, 0), (2, 2), (2, 2))), labels
    return parts


def write_idx(folder: Path, parts: Parts, zipped: bool = False) -> None:
    """The four files of MNIST, in its format: a magic number, the shape, the bytes."""
    folder.mkdir(parents=True)
    for part, (x, y) in parts.items():
        for name, array in ((f"{part}-images-idx3-ubyte", x), (f"{part}-labels-idx1-ubyte", y)):
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(head + array.tobytes()))
            else:
                (folder / name).write_bytes(head + array.tobytes())


def write_cifar(root: Path, digit_images: Callable[[str], np.ndarray], patch) -> dict[str, np.ndarray]:
    """CIFAR-10 as its authors' Python version lays it out, of digits in colours; part → `[N, 3, 32, 32]`.

    `patch`: a `MonkeyPatch`, by which torchvision learns the sums of these files.
    """
    import torchvision.datasets as tv

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    sums, parts = {}, {"train": [], "test": []}

    def write(name: str, content: dict) -> None:
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()

    for i, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        small = np.stack([digit_images(digit)[i] for digit in DIGITS])
        red = np.kron(small, np.ones((1, 4, 4), dtype=np.uint8))
        x = np.stack([red, 255 - red, red // 3], axis=1)  # planes of red, green and blue, as in the files
        write(name, {"data": x.reshape(len(x), 3072), "labels": list(range(10))})
        parts["test" if name == "test_batch" else "train"].append(x)
    write("batches.meta", {"label_names": CIFAR_CLASSES})
    patch.setattr(tv.CIFAR10, "train_list", [[f"data_batch_{n}", sums[f"data_batch_{n}"]] for n in range(1, 6)])
    patch.setattr(tv.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    patch.setattr(tv.CIFAR10, "meta", {**tv.CIFAR10.meta, "md5": sums["batches.meta"]})
    return {name: np.concatenate(found) for name, found in parts.items()}
