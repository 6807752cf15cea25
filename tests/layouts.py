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
STL10_CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]

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


def coloured(small: np.ndarray, factor: int) -> np.ndarray:
    """Grey images `[N, 8, 8]` in colours, `factor` times as large: uint8 `[N, 3, S, S]`."""
    red = np.kron(small, np.ones((1, factor, factor), dtype=np.uint8))
    return np.stack([red, 255 - red, red // 3], axis=1)


def write_cifar100(root: Path, digit_images: Callable[[str], np.ndarray], patch) -> Parts:
    """CIFAR-100 as its authors' Python version lays it out: 5 images of each of 100 classes to train on, 1 to test."""
    import torchvision.datasets as tv

    folder, sums, parts = root / "cifar-100-python", {}, {}
    folder.mkdir(parents=True)
    for name, rows in (("train", range(5)), ("test", range(5, 6))):
        small = np.stack([digit_images(DIGITS[c % 10])[6 * (c // 10) + row] for row in rows for c in range(100)])
        parts[name] = coloured(small, 4), np.tile(np.arange(100), len(rows))
        content = {"data": parts[name][0].reshape(-1, 3072), "fine_labels": parts[name][1].tolist()}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"thing {c:02}" for c in range(100)]}))
    for name in ("train", "test", "meta"):
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    patch.setattr(tv.CIFAR100, "train_list", [["train", sums["train"]]])
    patch.setattr(tv.CIFAR100, "test_list", [["test", sums["test"]]])
    patch.setattr(tv.CIFAR100, "meta", {**tv.CIFAR100.meta, "md5": sums["meta"]})
    return parts


def write_svhn(root: Path, digit_images: Callable[[str], np.ndarray], patch) -> Parts:
    """SVHN's cropped digits as its authors lay them out: images `[32, 32, 3, N]`, labels `[N, 1]`, 10 for a zero."""
    import torchvision.datasets as tv
    from scipy.io import savemat

    folder, parts, sums = root / "svhn", {}, dict(tv.SVHN.split_list)
    folder.mkdir(parents=True)
    for name, rows in (("train", slice(0, 5)), ("test", slice(5, 7))):
        small = np.concatenate([digit_images(digit)[rows] for digit in DIGITS])
        y = np.repeat(np.arange(10, dtype=np.uint8), len(small) // 10)
        x = coloured(small, 4)
        parts[name] = x, y
        file = f"{name}_32x32.mat"
        savemat(folder / file, {"X": x.transpose(2, 3, 1, 0), "y": np.where(y == 0, 10, y)[:, None].astype(np.uint8)})
        sums[name] = [sums[name][0], file, hashlib.md5((folder / file).read_bytes()).hexdigest()]
    patch.setattr(tv.SVHN, "split_list", sums)
    return parts


def write_stl10(root: Path, digit_images: Callable[[str], np.ndarray], patch) -> Parts:
    """STL-10's binary files: 96 × 96 pixels, planes of colours, each column by column; labels from 1."""
    import torchvision.datasets as tv

    folder, parts, sums = root / "stl10_binary", {}, {}
    folder.mkdir(parents=True)
    for name, rows in (("train", slice(0, 5)), ("test", slice(5, 7)), ("unlabeled", slice(7, 10))):
        small = np.concatenate([digit_images(digit)[rows] for digit in DIGITS])
        y = np.repeat(np.arange(10, dtype=np.uint8), len(small) // 10)
        parts[name] = coloured(small, 12), y
        files = {f"{name}_X.bin": parts[name][0].transpose(0, 1, 3, 2).tobytes()}
        if name != "unlabeled":
            files[f"{name}_y.bin"] = (y + 1).tobytes()
        for file, content in files.items():
            (folder / file).write_bytes(content)
            sums[file] = hashlib.md5(content).hexdigest()
    (folder / "class_names.txt").write_text("\n".join(STL10_CLASSES) + "\n")
    for part in ("train_list", "test_list"):
        patch.setattr(tv.STL10, part, [[file, sums[file]] for file, _ in getattr(tv.STL10, part)])
    return parts
