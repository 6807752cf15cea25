"""Look through a folder without decoding images: which folders and image files it has, and what is left out."""

import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import DataError, printable
from .formats import HEAD, SUFFIXES, is_image

__all__ = ["File", "LeftOut", "Look", "NoClasses", "check_folder", "is_mask_name", "nfc"]

File = tuple[str, int, int]  # path, bytes, modification time in ns

# Made by systems, archives and tools, at any depth: they hold no images of the user, and some cannot be read.
LITTER = {
    *("__macosx", "lost+found", "$recycle.bin", "recycler", "recycled", "system volume information", "@eadir"),
    *("#recycle", "#snapshot", "@recycle", "network trash folder", "temporary items", "found.000", "__pycache__"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "node_modules", "lost.dir", "$extend", "cvs"),
}
# Folders of tools, ignored if they hold no images: fastai writes weights to `models` in the folder of the images.
TOOLS = {
    *("models", "model", "weights", "checkpoints", "ckpt", "logs", "log", "runs", "outputs", "output", "results"),
    *("wandb", "mlruns", "lightning_logs", "tensorboard", "docs", "doc", "scripts", "code", "src", "notebooks"),
    *("annotations", "labels", "meta", "metadata", "csv", "json", "xml", "venv", "env", "build", "dist", "cache"),
}
_MASK_FILE = re.compile(
    r"[_\-. ](masks?|segmentations?|seg|gt|groundtruth|ground_truth)([_\- ]?\d+)?(\.[^.]*)?$", re.IGNORECASE
)
_MASK_FOLDERS = {"mask", "masks", "segmentation", "segmentations", "groundtruth", "groundtruths", "annotationmasks"}


def nfc(name: str) -> str:
    """`name` in the Unicode form NFC, in which names are compared: macOS writes ü as two characters, others as one."""
    return unicodedata.normalize("NFC", name)


def is_mask_name(name: str, folder: bool = False) -> bool:
    """Whether `name`, of a file (or a folder), is usual for masks, that is, for segmentations of other images."""
    if folder:
        return re.sub(r"[^a-z]", "", name.casefold()) in _MASK_FOLDERS
    return bool(_MASK_FILE.search(name))


class NoClasses(DataError):
    """A folder of images, none of which has a class; `n_images`: how many there are."""

    def __init__(self, message: str, n_images: int):
        super().__init__(message)
        self.n_images = n_images


@dataclass
class LeftOut:
    """Files that are not used, by kind: how many, one example, and why."""

    root: str
    kinds: dict[str, list] = field(default_factory=dict)

    def note(self, kind: str, path: str, why: str = "", n: int = 1) -> None:
        entry = self.kinds.setdefault(kind, [0, os.path.relpath(path, self.root), why])
        entry[0] += n

    @property
    def total(self) -> int:
        return sum(n for n, _, _ in self.kinds.values())

    def as_list(self) -> list[dict]:
        """For JSON: one dict per kind, of `what`, `n`, `example` and `why`."""
        return [
            {"what": kind, "n": n, "example": printable(example), "why": why}
            for kind, (n, example, why) in self.kinds.items()
        ]


class _Inside:
    """The content of one folder, without hidden files and `LITTER`."""

    def __init__(self, entries: list[os.DirEntry], follow_links: bool):
        self._follow = follow_links
        self.folders = {entry.name: entry.path for entry in entries if _leads_to_folder(entry)}
        self.files = [entry for entry in entries if entry.name not in self.folders]

    @cached_property
    def images(self) -> list[os.DirEntry]:
        return [entry for entry in self.files if _is_image(entry, self._follow)]


class Look:
    """The folders and image files below the folder `root`. `key`: the key of the config that errors begin with.

    Raises `DataError` for a link that leads out of `root` or to another folder, unless `follow_links`; then no folder
    is entered twice for the same class, so that a circle of links ends.
    """

    def __init__(self, root: Path, key: str = "folder", follow_links: bool = False):
        self.root, self.within = root, os.path.join(os.path.realpath(root), "")
        self.key, self.follow_links = key, follow_links
        self.left_out = LeftOut(str(root))
        self._seen: dict[str, _Inside] = {}

    def inside(self, folder: str | Path) -> _Inside:
        """The content of `folder`, which is read only once."""
        path = str(folder)
        if path not in self._seen:
            self._seen[path] = _Inside(self._entries(path), self.follow_links)
        return self._seen[path]

    def folders(self, folder: str | Path) -> dict[str, str]:
        """The folders in `folder`, name to path, without folders of `TOOLS` that hold no images."""
        return {
            name: path
            for name, path in self.inside(folder).folders.items()
            if name.casefold() not in TOOLS or self.has_images(path)
        }

    def has_images(self, folder: str) -> bool:
        """Whether there is an image at any depth below `folder`, by suffix or, if that is unknown, by content."""
        return any(self.inside(below).images for below in self._below(folder))

    def images(self, *folders: str) -> list[File]:
        """Image files below `folders`, sorted by path; other files are noted as left out."""
        found = []
        for folder in folders:
            for below in self._below(folder):
                inside = self.inside(below)
                images = {entry.name for entry in inside.images}
                for entry in inside.files:
                    if entry.name not in images:
                        self.left_out.note("files that are no images", entry.path)
                    elif stat.S_ISREG((status := self._status(entry)).st_mode):
                        found.append((entry.path, status.st_size, status.st_mtime_ns))
                    else:  # a pipe, for instance: reading it would never end
                        self.left_out.note("pipes and other things that are no files", entry.path)
        return sorted(found)

    def note_loose(self, folder: str | Path) -> None:
        """Note the files that lie beside class folders."""
        inside = self.inside(folder)
        images = {entry.name for entry in inside.images}
        for entry in inside.files:
            if entry.name in images:
                self.left_out.note("images beside class folders", entry.path, "they belong to no class")
            else:
                self.left_out.note("files that are no images", entry.path)

    def note_folder(self, folder: str, why: str) -> None:
        """Note the images below `folder`, none of which is used."""
        for below in self._below(folder):
            for entry in self.inside(below).images:
                self.left_out.note(f"images in {os.path.basename(folder)}/", entry.path, why)

    def _below(self, folder: str):
        """`folder` and all folders below it; if links are followed, each only once, by the path found first."""
        waiting, seen = [str(folder)], set()
        while waiting:
            path = waiting.pop()
            if self.follow_links:
                identity = os.path.realpath(path)
                if identity in seen:
                    continue
                seen.add(identity)
            yield path
            waiting += self.inside(path).folders.values()

    def _entries(self, folder: str) -> list[os.DirEntry]:
        if not self.follow_links and folder != str(self.root) and os.path.islink(folder):
            raise DataError(
                f"{self.key}: {folder} is a link to another folder, which may lead out of {self.root} or in a circle;"
                " put the images themselves here, or set follow_links: true if you trust the folder"
            )
        try:
            with os.scandir(folder) as entries:
                return [e for e in entries if not e.name.startswith(".") and e.name.casefold() not in LITTER]
        except PermissionError:
            raise DataError(
                f"{self.key}: not allowed to read {folder}; change its permissions or move it away"
            ) from None
        except OSError as error:
            raise DataError(f"{self.key}: cannot look into {folder} ({error.strerror}); move it away") from None

    def _status(self, entry: os.DirEntry) -> os.stat_result:
        try:
            out = not self.follow_links and entry.is_symlink()
            if out and not os.path.realpath(entry.path).startswith(self.within):
                raise DataError(
                    f"{self.key}: {entry.path} is a link out of {self.root}; put the image itself there, or a hard"
                    " link, or set follow_links: true if you trust the folder"
                )
            return entry.stat()
        except OSError as error:
            raise DataError(
                f"{self.key}: cannot look at {entry.path} ({error.strerror}); replace or remove it"
            ) from None


def check_folder(path: Path, key: str, expected: str) -> None:
    """Raises `DataError`, which begins with `key`, if there is no folder at `path`."""
    if not _is_folder(path, key):
        raise DataError(f"{key}: found {'a file' if path.exists() else 'nothing'} at {path}, expected {expected}")


def _is_image(entry: os.DirEntry, follow_links: bool) -> bool:
    if entry.name.lower().endswith(SUFFIXES):
        return True
    try:  # no suffix or an unknown one: the content decides; links are not followed unasked
        if not entry.is_file(follow_symlinks=follow_links):
            return False
        with open(entry.path, "rb") as file:
            return is_image(file.read(HEAD))
    except (OSError, ValueError):
        return False


def _leads_to_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links; reading it as a file will raise an error
        return False


def _is_folder(path: Path, key: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # not allowed, a name too long, a circle of links, a zero byte
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{key}: cannot look at {path} ({why}); expected a folder of images") from None
