"""Classes from a table: `labels: labels.csv` beside the images.

The table has one row per image. The column of images holds paths or file names, with or without suffix. Classes are in
one column of any text, or in one column of 0 and 1 per class. A column of `train`, `test` and `valid`, if there is one,
says which part an image belongs to. Columns and the delimiter are recognised; columns can also be named in the config.
"""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, shown
from .layout import find_tops, part_of
from .looking import File, Look, nfc

__all__ = ["Labelled", "read_labels"]

_CLASS_NAMES = (
    *("label", "labels", "class", "classes", "classname", "category", "target", "species", "breed", "diagnosis", "dx"),
    *("y", "type", "name", "labelname", "classlabel", "categoryname", "classid", "labelid"),
)
Groups = dict[str, list[File]]


@dataclass
class Labelled:
    """Image files by part and class; `unlabelled`: those without a class; `said`: sentences on what was decided."""

    train: Groups
    valid: Groups
    test: Groups
    unlabelled: list[File]
    said: list[str]


def read_labels(look: Look, root: Path, labels: str | Mapping) -> Labelled:
    """The images under `root` with the classes that a table gives them.

    `labels`: the path of the table, relative to `root` or absolute; or a mapping with that path as `labels`, and the
    names of columns as `image_column` and `class_column`, as in a config. Images in folders `train`, `test`, `valid`
    and `unlabelled` belong to these parts. Raises `DataError` if the table is missing, if its columns are not
    recognised, or if it gives an image two classes.
    """
    given = {"labels": labels} if isinstance(labels, str) else dict(labels)
    table = _Table(root, given)
    top, parts, _ = find_tops(look, str(root))
    files = look.images(top)
    index = _Index(top, files)
    image, label, split = table.columns(index, given)
    part_at = {f"{path}{os.sep}": part for part, paths in parts.items() for path in paths}
    found: dict[str, tuple[str, str | None]] = {}
    unknown = []
    for row in table.rows:
        name, value = row[image].strip(), label(row)
        if not name:
            continue
        path = index.find(name, table.name)
        if path is None:
            unknown.append(name)
        elif found.setdefault(path, (value, split(row)))[0] != value:
            raise DataError(
                f"labels: {table.name} gives {name} two classes, {shown(found[path][0])} and {shown(value)};"
                " keep one row per image"
            )
    if not found:
        raise DataError(
            f"labels: no row of {table.name} names an image under {root} (column {table.header[image]}, the first"
            f" {shown(unknown[0] if unknown else '')}); expected paths or names of files"
        )
    if unknown:
        look.left_out.note(f"rows of {table.name}", f"{root}/{unknown[0]}", "there is no such image", len(unknown))
    groups: dict[str, Groups] = {part: defaultdict(list) for part in ("train", "valid", "test")}
    unlabelled = []
    for file in files:
        value, part = found.get(file[0], ("", None))
        part = part or next((p for top_folder, p in part_at.items() if file[0].startswith(top_folder)), "train")
        if value and part != "unlabelled":
            groups[part][nfc(value)].append(file)
        else:
            unlabelled.append(file)
    train, valid, test = (dict(sorted(groups[part].items())) for part in ("train", "valid", "test"))
    n = len(files) - len(unlabelled)
    said = [f"classes are those of {table.name} (columns {table.header[image]} and {label.said}), for {n:,} images"]
    if unlabelled:
        said.append(f"{len(unlabelled):,} images without a class there are used as unlabelled ones")
    return _with_a_test(Labelled(train, valid, test, unlabelled, said), table.name)


class _Table:
    """The rows of a CSV file, and its header."""

    def __init__(self, root: Path, given: Mapping):
        path = Path(os.path.expanduser(str(given["labels"])))
        path = path if path.is_absolute() else root / path
        self.name = path.name
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                text = file.read()
        except FileNotFoundError:
            raise DataError(f"labels: found nothing at {path}, expected a table (CSV) of images and classes") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise DataError(f"labels: cannot read {path} ({why}); expected a table (CSV)") from None
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t|", key=first.count)
        try:
            rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
        except csv.Error as error:
            raise DataError(f"labels: cannot read {path} ({error}); expected a table (CSV)") from None
        if len(rows) < 2:
            raise DataError(f"labels: {path} has {len(rows)} rows, expected a header and one row per image")
        self.header = [name.strip() for name in rows[0]]
        self.rows = [(row + [""] * len(self.header))[: len(self.header)] for row in rows[1:]]

    def columns(self, index: "_Index", given: Mapping):
        """The index of the image column, a function from row to class (or ""), and one from row to part (or None)."""
        image = self._named(given, "image_column")
        if image is None:
            hits = [sum(index.knows(row[i]) for row in self.rows[:500]) for i in range(len(self.header))]
            if not max(hits):
                names = ", ".join(self.header[:8])
                raise DataError(
                    f"labels: no column of {self.name} ({names}) names images here; expected paths or names of files;"
                    " name the column (image_column: …)"
                )
            image = hits.index(max(hits))
        others = [i for i in range(len(self.header)) if i != image]
        chosen = self._named(given, "class_column")
        splits = [i for i in others if i != chosen and self._is_split(i)]
        split = splits[0] if len(splits) == 1 else None
        others = [i for i in others if i != split]
        label = _Column(chosen, self.header) if chosen is not None else self._class_column(others)
        return image, label, lambda row: part_of(row[split]) if split is not None else None

    def _named(self, given: Mapping, key: str) -> int | None:
        name = given.get(key)
        if name is None:
            return None
        if str(name) not in self.header:
            raise DataError(
                f"{key}: found {shown(name)}, expected a column of {self.name} ({', '.join(self.header[:8])})"
            )
        return self.header.index(str(name))

    def _is_split(self, column: int) -> bool:
        values = {row[column].strip() for row in self.rows}
        return len(values) > 1 and all(part_of(value) for value in values)

    def _class_column(self, others: list[int]):
        """Columns of 0 and 1, one per class; else the column with a usual name; else the only one that can be it."""
        named = [i for i in others if re.sub(r"[^a-z]", "", self.header[i].casefold()) in _CLASS_NAMES]
        texts = [i for i in named if not all(_is_number(row[i]) for row in self.rows)]
        named = texts if len(named) > 1 and texts else named  # a class's name goes before its number
        several = [i for i in others if 1 < len({row[i] for row in self.rows}) <= max(2, len(self.rows) // 2)]
        one_each = [i for i in others if {row[i].strip() for row in self.rows} <= {"0", "1", "0.0", "1.0"}]
        if len(one_each) > 1 and all(sum(float(row[i]) for i in one_each) == 1 for row in self.rows):
            return _OneOf(one_each, self.header)
        for candidates in (named, several, others):
            if len(candidates) == 1:
                return _Column(candidates[0], self.header)
        raise DataError(
            f"labels: which column of {self.name} has the classes? Found {', '.join(self.header[:8])}; name it"
            " (class_column: …)"
        )


class _Column:
    """A row's class, from one column."""

    def __init__(self, column: int, header: list[str]):
        self.column, self.said = column, header[column]

    def __call__(self, row: list[str]) -> str:
        return row[self.column].strip()


class _OneOf:
    """A row's class, from one column of 0 and 1 per class."""

    def __init__(self, columns: list[int], header: list[str]):
        self.columns, self.header = columns, header
        self.said = f"{header[columns[0]]} to {header[columns[-1]]}"

    def __call__(self, row: list[str]) -> str:
        return self.header[next(i for i in self.columns if float(row[i]) == 1)]


class _Index:
    """Image files by the names that a table may use: any end of their path, with or without suffix."""

    def __init__(self, root: str, files: list[File]):
        self.known, skip = defaultdict(list), len(root) + 1
        for path, _, _ in files:
            relative = nfc(path[skip:].replace(os.sep, "/"))
            for name in dict.fromkeys((relative, os.path.splitext(relative)[0])):
                end = name
                while end:
                    self.known[end].append((relative, path))
                    end = end.partition("/")[2]

    def knows(self, value: str) -> bool:
        return bool(self._candidates(value))

    def find(self, value: str, table: str) -> str | None:
        """The path of the image that a table calls `value`, None if there is none."""
        found = self._candidates(value)
        if len(found) > 1:
            raise DataError(
                f"labels: {table} calls an image {value}, which may be {found[0][0]} or {found[1][0]}; write the path"
                " in the table"
            )
        return found[0][1] if found else None

    def _candidates(self, value: str) -> list[tuple[str, str]]:
        wanted = nfc(value.strip().replace("\\", "/")).removeprefix("./")
        while wanted and wanted not in self.known:  # the images may have been moved since the table was written
            wanted = wanted.partition("/")[2]
        found = self.known[wanted] if wanted else []
        exact = [(relative, path) for relative, path in found if wanted in (relative, os.path.splitext(relative)[0])]
        return exact if len(exact) == 1 else found


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _with_a_test(found: Labelled, table: str) -> Labelled:
    if found.valid and not found.test:
        found.test, found.valid = found.valid, {}
        found.said.append("validation images are used to test, as there are no test images with classes")
    for part, groups in (("test", found.test), ("validation", found.valid)):
        if strange := [name for name in groups if name not in found.train]:
            raise DataError(
                f"labels: {table} has a class {shown(strange[0])} with {part} images but none to train on; add some, or"
                " remove it"
            )
    if not found.train:
        raise DataError(f"labels: {table} gives no training image a class")
    return found
