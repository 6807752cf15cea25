"""Which image files a folder holds, by part and class, found without decoding any of them.

Classes come from folders (see `layout`) or from a table (`labels`):

* `train/<class>/…`, optionally `test/<class>/…`, `valid/<class>/…` and `unlabelled/…`, in any usual spelling;
* the same without `test/`: the images in `valid/` are used to test; without `valid/`, test images are split off the
  training images;
* class folders alone, `<class>/…`, optionally with `unlabelled/…`: test images are split off;
* images in any folders, and `labels.csv`.

Images may lie at any depth below their class. Files that are not used are noted, by kind and number. A link that leads
out of the folder, or to another folder, is an error unless `follow_links`, so that only this folder is read, and only
once. This module imports no torch, so that the workflow can look at a folder before any job starts.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..files import user_path
from ..study.study import Study
from .labels import read_labels
from .layout import find_layout
from .looking import File, Look, NoClasses, check_folder, is_mask_name

__all__ = ["Listing", "content_digest", "listing_of", "look_below", "paths_digest", "scan", "too_few", "where"]

Classes = list[tuple[str, list[File]]]


@dataclass
class Listing:
    """The image files of a folder by part and class, each as (path, size in bytes, modification time in ns).

    `notes`: `files_ignored`, how many files are not used; `left_out`, which (see `LeftOut.as_list`); `said` and
    `warnings`, sentences on what was decided and what looks wrong.
    """

    classes: list[str]
    train: Classes
    test: Classes
    unlabelled: list[File]
    tree: Path  # where the class folders of the training images stand
    notes: dict = field(default_factory=dict)
    valid: Classes = field(default_factory=list)

    @property
    def files(self) -> list[File]:
        """All image files."""
        parts = (*self.train, *self.test, *self.valid, ("", self.unlabelled))
        return [file for _, files in parts for file in files]

    def summary(self) -> dict:
        """Counts as `ImageData.summary` has them, before any image was decoded."""
        by_class = {
            part: [len(dict(groups).get(name, ())) for name in self.classes]
            for part, groups in (("train", self.train), ("valid", self.valid), ("test", self.test))
        }
        notes = {**self.notes, "test_split_off": not self.test}
        return {
            "classes": self.classes,
            "by_class": by_class,
            "n_unlabelled_only": len(self.unlabelled),
            "notes": notes,
        }


def listing_of(study: Study) -> Listing:
    """The listing of the study's folder."""
    return scan(user_path(study.folder or "", "folder"), **where(study))


def where(study: Study) -> dict:
    """The options of `scan` for the study's folder: which files they lead to is in the digest of its content."""
    told = {key: value for key, value in study.values(("labels", "image_column", "class_column")).items() if value}
    return {"follow_links": bool(study.follow_links), "labels": told if study.labels else None}


def scan(root: Path, follow_links: bool = False, labels: str | Mapping | None = None) -> Listing:
    """List the images under `root` by part and class, without decoding any of them.

    `labels`: the table that has the classes (see `sslfast.data.labels`). Raises `DataError` where the folder cannot
    make a study: it is missing or empty, has only one class, too few images of a class, a test class without training
    images, folders that contradict each other, or a link that leads elsewhere.
    """
    check_folder(root, "folder", "a folder of images (see config/README.md)")
    look = Look(root, follow_links=follow_links)
    listing = _by_table(look, root, labels) if labels else _by_folders(look, root)
    if len(listing.classes) == 1:
        raise DataError(
            f"folder: found one class only ({listing.classes[0]}) under {listing.tree}; expected two or more"
            + ("" if labels else _tables(look, str(listing.tree)))
        )
    needed = _needed(bool(listing.test), bool(listing.valid))
    for name, files in listing.train:
        if len(files) < needed:
            raise DataError(too_few(Path(listing.tree) / name, len(files), needed))
    listing.notes |= {
        "files_ignored": look.left_out.total,
        "left_out": look.left_out.as_list(),
        "warnings": _warnings(root, listing),
    }
    return listing


def look_below(root: Path, key: str, expected: str, follow_links: bool = False) -> list[File]:
    """Image files under `root` at any depth, as `Listing` holds them. Raises `DataError` that names `key`."""
    check_folder(root, key, expected)
    return Look(root, key, follow_links).images(str(root))


def content_digest(root: Path, listing: Listing) -> str:
    """A digest that changes with the name, size or date of any image, but not when the whole folder moves."""
    digest = hashlib.sha256()
    parts = [("train", listing.train), ("test", listing.test), ("u", [("", listing.unlabelled)])]
    if listing.valid:
        parts.append(("valid", listing.valid))
    for part, groups in parts:
        for name, files in groups:
            digest.update(f"{part}\0{name}\0{len(files)}\0".encode("utf-8", "surrogateescape"))
            paths_digest(digest, root, files)
    return digest.hexdigest()[:16]


def paths_digest(digest, root: Path, files: list[File]) -> None:
    """Update `digest` with the paths (relative to `root`), sizes and dates of `files`."""
    skip = len(str(root)) + 1
    text = "".join(f"{path[skip:]}\0{size}\0{date}\0" for path, size, date in files)
    digest.update(text.encode("utf-8", "surrogateescape"))


def too_few(folder: Path, found: int, needed: int) -> str:
    """The error message for a class folder with `found` images that needs `needed`."""
    use = {1: "training", 2: "training and validation", 3: "training, validation and test"}[needed]
    images = {0: "no image", 1: "a single image"}.get(found, f"{found} images")
    return f"folder: the class folder {folder} has {images}, expected at least {needed} (one each for {use})"


def _needed(has_test: bool, has_valid: bool) -> int:
    """How many images a class needs: one for training, and one each for validation and test if these are split off."""
    return 3 - has_test - has_valid


def _by_folders(look: Look, root: Path) -> Listing:
    layout = find_layout(look, str(root))
    tree, train = layout.tree, [(name, look.images(*paths)) for name, paths in layout.train.items()]
    classes = [name for name, files in train if files]
    unlabelled = sorted(look.images(*layout.unlabelled))
    if not classes:
        only = f"; it has {len(unlabelled):,} unlabelled images only" if unlabelled else ""
        raise NoClasses(
            f"folder: found no images in class folders under {tree}{only};"
            f" expected <class>/<image> with PNG, JPEG, TIFF, WebP or other image files{_tables(look, tree)}",
            len(look.images(str(root))),
        )
    if empty := [name for name, files in train if not files]:
        raise DataError(f"folder: the class folder {Path(tree) / empty[0]} has no images; add some or remove it")
    test = [(name, look.images(*paths)) for name, paths in layout.test.items()]
    if layout.test_folder and not test:
        raise DataError(f"folder: {layout.test_folder} has no images; add some, or remove it to split test images off")
    valid = [(name, look.images(*paths)) for name, paths in layout.valid.items()]
    return Listing(classes, train, test, unlabelled, Path(tree), {"said": layout.said}, valid)


def _by_table(look: Look, root: Path, labels: str | Mapping) -> Listing:
    found = read_labels(look, root, labels)
    train, test, valid = (list(groups.items()) for groups in (found.train, found.test, found.valid))
    return Listing(list(found.train), train, test, found.unlabelled, root, {"said": found.said}, valid)


def _tables(look: Look, tree: str) -> str:
    """A hint for errors, if there is a table that may hold labels; else ""."""
    for folder in dict.fromkeys((str(look.root), tree)):
        for entry in look.inside(folder).files:
            if re.search(r"\.(csv|tsv)\Z", entry.name, re.IGNORECASE):
                name = os.path.relpath(entry.path, look.root)
                return f"; if {name} has the classes, set labels: {name}"
    return ""


def _warnings(root: Path, listing: Listing) -> list[str]:
    """Warnings about what looks wrong but is used as it is: masks among images, classes that differ only in case."""
    found, by_case = [], defaultdict(list)
    for name in listing.classes:
        by_case[name.casefold()].append(name)
    if alike := [names for names in by_case.values() if len(names) > 1]:
        found.append(f"classes {' and '.join(alike[0])} differ only in case; they are used as two classes")
    masks = [path for path, _, _ in listing.files if is_mask_name(os.path.basename(path))]
    within = {os.path.relpath(folder, root) for folder in {os.path.dirname(path) for path, _, _ in listing.files}}
    folders = sorted({name for folder in within for name in folder.split(os.sep) if is_mask_name(name, folder=True)})
    if masks:
        found.append(
            f"{len(masks):,} files have names that are usual for masks ({os.path.basename(masks[0])}); they are used as"
            " images"
        )
    if folders:
        found.append(f"the folder {folders[0]}/ has a name that is usual for masks; its files are used as images")
    return found
