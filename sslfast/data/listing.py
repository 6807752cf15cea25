"""Which image files a folder holds, by part and class, found without opening any of them.

Three layouts are read:

* `train/<class>/…`, optionally `test/<class>/…` and `unlabelled/…`;
* the same without `test/`: test images are split off the training images, class by class;
* one tree, `<class>/…`, optionally with `unlabelled/…`: the same.

Images may lie at any depth below their class. Files that are no images are passed over and counted. A
link that leads out of the folder, or to another folder, is an error: nothing but the folder is read, and
only once.
This module does without torch, so that a workflow can look at a folder before anything starts.
"""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError

__all__ = ["Listing", "content_digest", "look_below", "paths_digest", "scan", "too_few"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp")


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
    class with a single image, a test class that training does not know, or a link that leads elsewhere.
    """
    _check_folder(root, "folder", "a folder of images (see config/README.md)")
    look = _Look(root)
    tops = look.folders(root)
    tree = tops.pop("train", None)
    test_folder = tops.pop("test", None) if tree else None
    unlabelled_folder = tops.pop("unlabelled", None)
    if tree:
        class_folders = look.folders(tree)
        look.ignored += len(tops)
    elif "test" in tops:
        raise DataError(f"folder: {root} has test/ but no train/; expected train/<class>/ beside it")
    else:
        class_folders, tree = tops, str(root)
    train = [(name, look.images(path)) for name, path in sorted(class_folders.items())]
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
        test = [(name, look.images(path)) for name, path in sorted(look.folders(test_folder).items())]
        for name, files in test:
            if files and name not in classes:
                raise DataError(
                    f"folder: test/{name} is a class that train/ does not have (it has {_some(classes)});"
                    " rename or remove it"
                )
        test = [(name, files) for name, files in test if files]
        if not test:
            raise DataError(f"folder: {test_folder} has no images; add some, or remove it to split test images off")
    unlabelled = look.images(unlabelled_folder) if unlabelled_folder else []
    needed = 2 if test else 3  # one each for labelled, validation and (where split off) test
    for name, files in train:
        if len(files) < needed:
            raise DataError(too_few(Path(tree) / name, len(files), needed))
    return Listing(classes, train, test, unlabelled, Path(tree), {"files_ignored": look.ignored})


def look_below(root: Path, key: str, expected: str) -> list[tuple[str, int, int]]:
    """Image files under `root` at any depth, as `Listing` holds them. Raises `DataError` that names `key`."""
    _check_folder(root, key, expected)
    return _Look(root, key).images(str(root))


def content_digest(root: Path, listing: Listing) -> str:
    """Changes when any image's name, size or date does; not when the whole folder moves."""
    digest = hashlib.sha256()
    for part, groups in (("train", listing.train), ("test", listing.test), ("u", [("", listing.unlabelled)])):
        for name, files in groups:
            digest.update(f"{part}\0{name}\0{len(files)}\0".encode("utf-8", "surrogateescape"))
            paths_digest(digest, root, files)
    return digest.hexdigest()[:16]


def paths_digest(digest, root: Path, files: list[tuple[str, int, int]]) -> None:
    """Take paths below `root`, sizes and dates of `files` into `digest`."""
    skip = len(str(root)) + 1
    text = "".join(f"{path[skip:]}\0{size}\0{date}\0" for path, size, date in files)
    digest.update(text.encode("utf-8", "surrogateescape"))


def too_few(folder: Path, found: int, needed: int) -> str:
    use = "training and validation" if needed == 2 else "training, validation and test"
    images = "a single image" if found == 1 else f"{found} images"
    return f"folder: the class folder {folder} has {images}, expected at least {needed} (one each for {use})"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


class _Look:
    """A look through the folder `root`, which counts the files that are no images. `key`: what errors begin with."""

    def __init__(self, root: Path, key: str = "folder"):
        self.root, self.within, self.ignored = root, os.path.join(os.path.realpath(root), ""), 0
        self.key = key

    def folders(self, folder: str | Path) -> dict[str, str]:
        """The folders in `folder`, name to path; what else lies there is counted."""
        entries = self._entries(folder)
        found = {entry.name: entry.path for entry in entries if _leads_to_folder(entry)}
        self.ignored += len(entries) - len(found)
        return found

    def images(self, folder: str) -> list[tuple[str, int, int]]:
        """Image files below `folder`, sorted by path: `(path, bytes, modification time in ns)`."""
        found, folders = [], [folder]
        while folders:
            for entry in self._entries(folders.pop()):
                if _leads_to_folder(entry):
                    folders.append(entry.path)
                elif not entry.name.lower().endswith(SUFFIXES):
                    self.ignored += 1
                elif stat.S_ISREG((status := self._status(entry)).st_mode):
                    found.append((entry.path, status.st_size, status.st_mtime_ns))
                else:  # a pipe, say, of which reading would never end
                    self.ignored += 1
        return sorted(found)

    def _entries(self, folder: str | Path) -> list[os.DirEntry]:
        if str(folder) != str(self.root) and os.path.islink(folder):
            raise DataError(
                f"{self.key}: {folder} is a link to another folder, which may lead out of {self.root} or in a circle;"
                " put the images themselves here"
            )
        try:
            with os.scandir(folder) as entries:
                return [entry for entry in entries if not entry.name.startswith(".")]
        except PermissionError:
            raise DataError(
                f"{self.key}: not allowed to read {folder}; change its permissions or move it away"
            ) from None
        except OSError as error:
            raise DataError(f"{self.key}: cannot look into {folder} ({error.strerror}); move it away") from None

    def _status(self, entry: os.DirEntry) -> os.stat_result:
        try:
            if entry.is_symlink() and not os.path.realpath(entry.path).startswith(self.within):
                raise DataError(
                    f"{self.key}: {entry.path} is a link out of {self.root}; put the image itself there, or a hard link"
                )
            return entry.stat()
        except OSError as error:
            raise DataError(
                f"{self.key}: cannot look at {entry.path} ({error.strerror}); replace or remove it"
            ) from None


def _leads_to_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle; whoever wants to read it as a file is told
        return False


def _check_folder(path: Path, key: str, expected: str) -> None:
    if not _is_folder(path, key):
        raise DataError(f"{key}: found {'a file' if path.exists() else 'nothing'} at {path}, expected {expected}")


def _is_folder(path: Path, key: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # not allowed, a name too long, a circle of links, a zero byte
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{key}: cannot look at {path} ({why}); expected a folder of images") from None
