"""Which image files a folder holds, by part and class, found without opening any of them.

Three layouts are read:

* `train/<class>/…`, optionally `test/<class>/…` and `unlabelled/…`;
* the same without `test/`: test images are split off the training images, class by class;
* one tree, `<class>/…`, optionally with `unlabelled/…`: the same.

Images may lie at any depth below their class. Files that are no images are passed over and counted.
This module does without torch, so that a workflow can look at a folder before anything starts.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError

__all__ = ["Listing", "content_digest", "scan", "too_few"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp"}


@dataclass
class Listing:
    """The image files of a folder: `(path, size, time in ns)` a file, by part and class."""

    classes: list[str]
    train: list[tuple[str, list]]
    test: list[tuple[str, list]]
    unlabelled: list
    tree: Path  # where the class folders of the training images stand
    notes: dict = field(default_factory=dict)


def scan(root: Path) -> Listing:
    """List the images under `root` by part and class, without opening any of them.

    Raises `DataError` where the folder cannot make a study: missing, empty, one class only, a
    class with a single image, or a test class that training does not know.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DataError(f"folder: found {found} at {root}, expected a folder of images (see config/README.md)")
    ignored = _Counter()
    tops = _folders(root, ignored)
    tree = tops.pop("train", None)
    test_folder = tops.pop("test", None) if tree else None
    unlabelled_folder = tops.pop("unlabelled", None)
    if tree:
        class_folders = _folders(Path(tree), ignored)
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
        test = [(name, _images(path, ignored)) for name, path in sorted(_folders(Path(test_folder), ignored).items())]
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
            raise DataError(too_few(Path(tree) / name, len(files), needed))
    return Listing(classes, train, test, unlabelled, Path(tree), {"files_ignored": ignored.n})


def content_digest(root: Path, listing: Listing) -> str:
    """Changes when any image's name, size or date does; not when the whole folder moves."""
    digest, skip = hashlib.sha256(), len(str(root)) + 1
    for part, groups in (("train", listing.train), ("test", listing.test), ("u", [("", listing.unlabelled)])):
        for name, files in groups:
            text = "".join(f"{path[skip:]}\0{size}\0{date}\0" for path, size, date in files)
            digest.update(f"{part}\0{name}\0{len(files)}\0{text}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def too_few(folder: Path, found: int, needed: int) -> str:
    use = "training and validation" if needed == 2 else "training, validation and test"
    images = "a single image" if found == 1 else f"{found} images"
    return f"folder: the class folder {folder} has {images}, expected at least {needed} (one each for {use})"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


class _Counter:
    n = 0


def _folders(folder: Path, ignored: _Counter) -> dict[str, str]:
    """The folders in `folder`, name to path; what else lies there is counted."""
    entries = [entry for entry in _entries(folder) if not entry.name.startswith(".")]
    found = {entry.name: entry.path for entry in entries if entry.is_dir()}
    ignored.n += len(entries) - len(found)
    return found


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
                status = _status(entry)
                found.append((entry.path, status.st_size, status.st_mtime_ns))
            else:
                ignored.n += 1
    return sorted(found)


def _status(entry: os.DirEntry) -> os.stat_result:
    try:
        return entry.stat()
    except OSError as error:
        raise DataError(f"folder: cannot look at {entry.path} ({error.strerror}); replace or remove it") from None
