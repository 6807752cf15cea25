"""Folders of images as people have them, made of scikit-learn's digits."""

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["kaggle", "medical", "phone", "unlabelled_only"]

Digits = Callable[[str], np.ndarray]  # `digits("seven")`: uint8 [N, 8, 8]
PETS = {"cat": "three", "dog": "eight"}


def kaggle(root: Path, digits: Digits, n: int = 30) -> Path:
    """`images/` without classes and `labels.csv` with them, for two thirds; a `sample_submission.csv` of one class."""
    (root / "images").mkdir(parents=True)
    rows, others = [], []
    for breed, name in PETS.items():
        for i, pixels in enumerate(digits(name)[:n]):
            file = f"{breed[0]}{i:03}"
            Image.fromarray(pixels).save(root / "images" / f"{file}.png")
            (rows if i < 2 * n // 3 else others).append([file, breed])
    write_table(root / "labels.csv", ["id", "breed"], rows)
    write_table(root / "sample_submission.csv", ["id", "breed"], [[file, "cat"] for file, _ in others])
    return root


def phone(root: Path, digits: Digits, n: int = 14) -> Path:
    """Photographs, upright and lying, some turned by EXIF alone, JPEG and AVIF, with copies and a computer's litter."""
    shots = {name: _photographs(digits(of)) for name, of in PETS.items()}
    for name, made in shots.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            image = next(made)
            if i % 3 == 1:
                image = image.rotate(90, expand=True)
            exif = Image.Exif()
            if i % 3 == 2:
                image, exif[0x0112] = image.rotate(90, expand=True), 6  # held upright, stored lying
            file = root / name / (f"IMG_{i:04}.avif" if i % 5 == 4 else f"IMG_{i:04}.JPG")
            image.save(file, **({} if file.suffix == ".avif" else {"exif": exif}))
            (root / name / f"._{file.name}").write_bytes(b"\0\5\26\7" + bytes(60))  # what macOS leaves
        (root / name / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(60))
    shutil.copy(root / "cat" / "IMG_0000.JPG", root / "cat" / "IMG_0000 (1).JPG")
    shutil.copy(root / "cat" / "IMG_0001.JPG", root / "dog" / "IMG_9999.JPG")  # a copy in another class
    (root / "dog" / "IMG_7777.JPG").write_text("<!DOCTYPE html><html>404</html>")
    (root / "cat" / "VID_0001.mov").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(40))
    (root / "unlabelled").mkdir()
    for i in range(2 * n):
        next(shots[("cat", "dog")[i % 2]]).save(root / "unlabelled" / f"IMG_{5000 + i}.jpeg")
    shutil.copy(root / "dog" / "IMG_0000.JPG", root / "unlabelled" / "again.jpg")
    return root


def medical(root: Path, digits: Digits, n: int = 24) -> Path:
    """Grey images of 12 bits in PNG files of 16, some hundreds of values above 1,000; one class is rare."""
    for name, (of, many) in {"normal": ("zero", n), "lesion": ("one", n // 4)}.items():
        for part, rows in (("train", slice(0, many)), ("test", slice(many, many + 6))):
            (root / part / name).mkdir(parents=True)
            for i, pixels in enumerate(digits(of)[rows]):
                large = np.kron(pixels, np.ones((6, 6), dtype=np.uint16)).astype(np.uint16) * 2 + 1000
                Image.fromarray(large).save(root / part / name / f"{i:03}.png")
    return root


def unlabelled_only(root: Path, digits: Digits, n: int = 12) -> Path:
    """Images without any folder or table that says their class."""
    root.mkdir(parents=True)
    for i, pixels in enumerate(digits("five")[:n]):
        Image.fromarray(pixels).save(root / f"scan {i:02}.png")
    return root


def write_table(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _photographs(digits: np.ndarray) -> Iterator[Image.Image]:
    """Lying photographs of 4 : 3, each digit once, in colours."""
    for pixels in digits:
        red = np.kron(pixels, np.ones((12, 16), dtype=np.uint8))
        yield Image.fromarray(np.stack([red, 255 - red, red // 3], axis=2))
