"""Find the parts of a study among a user's folders, by the usual names.

Parts are `train`, `test`, `valid` and `unlabelled`, in any usual spelling and case (`Training_Set`, `val`, `dev`,
`unlabeled`, `unsup`, `extra`, …), also one level deeper, as ZIP files leave them (`seg_train/seg_train/…`). Without
parts, all folders are classes. A folder that looks like a part but may be something else is a `DataError`.
"""

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError, shown
from .looking import Look, NoClasses, is_mask_name, nfc

__all__ = ["Layout", "find_layout", "find_tops", "part_of", "some"]

_FILLER = (
    r"(?:the|my|set|sets|data|dataset|datasets|images?|imgs?|pictures?|pics?|photos?|files?|folders?|dir|split|subset"
    r"|samples?|examples?|jpe?gs?|pngs?|raw|only)*"
)
_PARTS = {
    part: re.compile(f"{_FILLER}(?:{words}){_FILLER}")
    for part, words in {
        "train": "train|training|trainings|trn",
        "test": "test|testing|tests|tst|evaluation",
        "valid": "val|valid|validate|validation|validations|validating|vali|dev|development",
        "unlabelled": (
            "unlabell?ed|unlabell?|unsup|unsupervised|unannotated|nolabels?|withoutlabels?|notlabell?ed|extras?"
        ),
    }.items()
}
_ONLY_FILLER = re.compile(_FILLER)
DEEPEST = 4  # nested folders, each of which holds nothing but the next


@dataclass
class Layout:
    """Paths of the folders of a study, by part and class.

    A class has several folders if their names differ only in Unicode form.
    """

    tree: str  # where the class folders of the training images stand
    train: dict[str, list[str]]
    test: dict[str, list[str]] = field(default_factory=dict)
    valid: dict[str, list[str]] = field(default_factory=dict)
    unlabelled: list[str] = field(default_factory=list)
    test_folder: str | None = None
    said: list[str] = field(default_factory=list)  # what was decided, in sentences


def part_of(name: str) -> str | None:
    """The part of a study that a folder called `name` is: `train`, `test`, `valid`, `unlabelled`, or None."""
    letters = re.sub(r"[^a-z]", "", nfc(name).casefold())
    return next((part for part, words in _PARTS.items() if words.fullmatch(letters)), None)


def find_tops(look: Look, root: str) -> tuple[str, dict[str, list[str]], dict[str, str]]:
    """The folder that holds the parts (`root`, or the only folder in it), the paths of each part, all other folders.

    Raises `DataError` if two folders look like the same part.
    """
    root = _unwrapped(look, root)
    parts, others = _parts(look.folders(root))
    if list(parts) == ["train"] and not others and len(parts["train"]) == 1:
        below, rest = _parts(look.folders(parts["train"][0]))  # `training/training/` and `training/test/`, say
        if "train" in below and not rest:
            return find_tops(look, parts["train"][0])
    for part in ("train", "test", "valid"):
        if len(parts.get(part, [])) > 1:
            held = [path for path in parts[part] if look.has_images(path)]
            if len(held) > 1:
                names = " and ".join(f"{os.path.basename(path)}/" for path in sorted(held)[:2])
                raise DataError(
                    f"folder: {names} in {root} both look like the {_SAID[part]} images; keep one, or put both together"
                )
            parts[part] = held or parts[part][:1]
    return root, parts, others


def find_layout(look: Look, root: str) -> Layout:
    """The parts and class folders under `root`. Raises `DataError` for folders that contradict each other."""
    given, (root, parts, others) = root, find_tops(look, root)
    layout = Layout(root, {}, unlabelled=list(parts.get("unlabelled", [])))
    if root != given:
        layout.said.append(f"images are those in {os.path.relpath(root, given)}/")
    if "train" in parts:
        layout.tree = _unwrapped(look, parts["train"][0], part=True)
        layout.train = _classes(look, layout, layout.tree)
        _check_train(look, layout, root, parts, others)
        for name, path in others.items():
            look.note_folder(path, f"{name}/ is not a known part of a study; rename it to unlabelled/ to use them")
        if others or look.inside(root).files:
            look.note_loose(root)
    else:
        layout.train = _grouped(others)
        if layout.tree == root and others:
            look.note_loose(root)
        for part in ("test", "valid"):
            if folders := parts.get(part):
                name = os.path.basename(folders[0])
                flat = part == "test" and others and not look.folders(_unwrapped(look, folders[0], part=True))
                if not flat:
                    raise DataError(
                        f"folder: {root} has {name}/ but no train/; expected train/<class>/ beside it"
                        + (" (if it is a class, give it another name)" if others else "")
                    )
    for part in ("test", "valid"):
        if folders := parts.get(part):
            _read_part(look, layout, part, folders[0])
    if layout.valid and not layout.test and layout.test_folder is None:
        layout.test, layout.valid = layout.valid, {}
        layout.test_folder = parts["valid"][0]
        layout.said.append(f"{os.path.basename(parts['valid'][0])}/ is used to test, as there is no test/ with classes")
    return layout


def some(names: list[str]) -> str:
    """The first five of `names`."""
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


_SAID = {"train": "training", "test": "test", "valid": "validation"}


def _parts(folders: dict[str, str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The paths of each part among `folders` (name to path), and the folders that are no part."""
    parts, others = defaultdict(list), {}
    for name, path in sorted(folders.items()):
        if part := part_of(name):
            parts[part].append(path)
        else:
            others[name] = path
    if "train" not in parts:  # cats_train and cats_test are parts of something called cats
        for affix in _affixes(others).values():
            if "train" in affix and len(affix) > 1:
                for part, name in affix.items():
                    parts[part].append(others.pop(name))
    return dict(parts), others


def _affixes(folders: dict[str, str]) -> dict[tuple[str, ...], dict[str, str]]:
    """Folder names that contain one word for a part, grouped by their other words: other words → part → name."""
    found: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in folders:
        words = re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", nfc(name)))
        parts = [part_of(word) if not _ONLY_FILLER.fullmatch(word.casefold()) else None for word in words]
        if sum(part is not None for part in parts) == 1:
            rest = tuple(word.casefold() for word, part in zip(words, parts, strict=True) if part is None)
            found[rest][next(filter(None, parts))] = name
    return found


def _unwrapped(look: Look, folder: str, part: bool = False) -> str:
    """`folder`, or the folder in it if it holds nothing else, as ZIP files leave it.

    Within a `part`, a single folder may be a class. It is not one if it has the same name, or a general one (`images`).
    """
    for _ in range(DEEPEST):
        inside = look.inside(folder)
        folders = look.folders(folder)
        if len(folders) != 1 or inside.images:
            break
        ((name, path),) = folders.items()
        same = name.casefold() == os.path.basename(folder).casefold()
        if part:
            letters = re.sub(r"[^a-z]", "", name.casefold())
            same = same or part_of(name) == part_of(os.path.basename(folder)) is not None
            same = same or bool(letters and _ONLY_FILLER.fullmatch(letters))
            if not same:
                break
        elif part_of(name) or not look.folders(path):
            break
        folder = path
    return folder


def _classes(look: Look, layout: Layout, folder: str) -> dict[str, list[str]]:
    """The class folders in `folder`; a folder `unlabelled` among them is added to `layout.unlabelled` instead."""
    folders = {}
    for name, path in look.folders(folder).items():
        if part_of(name) == "unlabelled":
            layout.unlabelled.append(path)
        else:
            folders[name] = path
    if folders or layout.unlabelled:
        look.note_loose(folder)
    return _grouped(folders)


def _grouped(folders: dict[str, str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for name, path in sorted(folders.items()):
        found[nfc(name)].append(path)
    return dict(sorted(found.items()))


def _read_part(look: Look, layout: Layout, part: str, folder: str) -> None:
    """Take the test or validation images in `folder` into `layout`: by class, or as unlabelled ones."""
    name, inner = os.path.basename(folder), _unwrapped(look, folder, part=True)
    flat = not [path for path in look.folders(inner).values() if look.has_images(path)]
    if flat and look.inside(inner).images:
        layout.unlabelled.append(inner)
        layout.said.append(f"images in {name}/ have no classes, and are used as unlabelled ones")
        return
    classes = _classes(look, layout, inner)
    held = {label: paths for label, paths in classes.items() if any(map(look.has_images, paths))}
    for label in held:
        if label not in layout.train:
            raise DataError(
                f"folder: {name}/{label} is a class that {_train_name(layout)} does not have (it has"
                f" {some(list(layout.train))}); rename or remove it"
            )
    if part == "test":
        layout.test, layout.test_folder = held, folder
    else:
        layout.valid = held


def _train_name(layout: Layout) -> str:
    return f"{os.path.basename(layout.tree)}/"


def _check_train(look: Look, layout: Layout, root: str, parts: dict, others: dict[str, str]) -> None:
    """Raises `DataError` if the folder of training images may be a class of that name, or holds no classes."""
    name = os.path.basename(parts["train"][0])
    held = [other for other, path in others.items() if not is_mask_name(other, folder=True) and look.has_images(path)]
    if held and not parts.keys() - {"train"}:
        raise DataError(
            f"folder: {name}/ in {root} looks like the training images, but {some([f'{other}/' for other in held])}"
            f" beside it hold images, too; if it is a class, rename it (to {name}s/, say); else move the others away"
        )
    images = look.inside(layout.tree).images
    if not layout.train and images:
        tables = [
            entry.name
            for folder in dict.fromkeys((root, layout.tree, str(look.root)))
            for entry in look.inside(folder).files
            if Path(entry.name).suffix.lower() in (".csv", ".tsv")
        ]
        hint = f", or set labels: {shown(tables[0])[1:-1]}" if tables else ", or name a table of them (labels: …csv)"
        raise NoClasses(
            f"folder: found no images in class folders under {layout.tree}, which holds {len(images):,} without;"
            f" expected <class>/<image>{hint}",
            len(images),
        )
