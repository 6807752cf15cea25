"""Files appear whole or not at all; paths that people wrote are paths, or an error that names their key."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ConfigError, DataError, shown

__all__ = ["check_room", "replacing", "user_path"]

ROOM = 2**20  # bytes, less than which no study has ever taken


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; it becomes `path` when the block ends well, else it goes.

    An `OSError` (a full disk, say) names `path`.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # a write that fails knows no name, others the scratch's
        raise
    finally:
        with suppress(OSError):  # nothing to remove, or nothing may be: the error above says why
            scratch.unlink()


def user_path(text: str | Path, key: str) -> Path:
    """The path that a person wrote, `~` and all. Raises `ConfigError` naming `key` for what can be none."""
    try:
        path = Path(text).expanduser()
        os.fsencode(path)
    except (RuntimeError, UnicodeEncodeError):  # the home of an unknown user; half a character
        path = None
    if path is None or "\0" in str(path):
        raise ConfigError(f"{key}: found {shown(str(text))}, expected the path of a folder")
    return path


def check_room(folder: str | Path) -> None:
    """`DataError` where `folder` cannot be written or its disk is full: Snakemake itself would end in a traceback."""
    folder = Path(folder).absolute()
    disk = os.statvfs(folder)
    if not os.access(folder, os.W_OK):
        raise DataError(f"{folder}: not allowed to write here; change that, or copy the folder to where you may write")
    if disk.f_bavail * disk.f_frsize < ROOM:
        raise DataError(f"{folder}: no space left on the disk; make room and run again (what is finished is kept)")
