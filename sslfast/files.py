"""Files that appear whole or not at all, and checks of paths that people wrote."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ConfigError, DataError, shown

__all__ = ["check_room", "check_writable", "replacing", "user_path"]

ROOM = 2**20  # bytes that must be free; every study needs more


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; it becomes `path` if the block ends well, and is removed otherwise.

    Temporary files that killed writers of `path` on this machine left behind are removed, too. An `OSError` in the
    block (a full disk, say) names `path`.
    """
    path, machine = Path(path), re.sub(r"\W", "_", platform.node())
    scratch = path.with_name(f".{path.stem}.{machine}-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left, pid in _scratch_files(path, machine):
            if not _lives(pid):
                left.unlink(missing_ok=True)
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # it named no file, or the temporary one
        raise
    finally:
        with suppress(OSError):  # renamed already, or not removable: then the error above says why
            scratch.unlink()


def user_path(text: str | Path, key: str) -> Path:
    """The path that a person wrote as `text`, `~` expanded. Raises `ConfigError`, naming `key`, for any other text."""
    try:
        path = Path(text).expanduser()
        os.fsencode(path)
    except (RuntimeError, UnicodeEncodeError):  # the home of an unknown user; half a character
        path = None
    if path is None or "\0" in str(path):
        raise ConfigError(f"{key}: found {shown(str(text))}, expected the path of a folder")
    return path


def check_room(folder: str | Path) -> None:
    """Raises `DataError` if `folder` cannot be written or its disk is full; Snakemake would end in a traceback."""
    folder = Path(folder).absolute()
    disk = os.statvfs(folder)
    if not os.access(folder, os.W_OK):
        raise DataError(f"{folder}: not allowed to write here; change that, or copy the folder to where you may write")
    if disk.f_bavail * disk.f_frsize < ROOM:
        raise DataError(f"{folder}: no space left on the disk; make room and run again (what is finished is kept)")


def check_writable(text: str, key: str) -> None:
    """Raises `ConfigError`, naming `key`, unless `text` is a writable folder, or a path where one can be made."""
    folder = user_path(text, key).absolute()
    there = next(above for above in (folder, *folder.parents) if os.path.lexists(above))
    if not there.is_dir():
        raise ConfigError(f"{key}: found {there}, which is no folder; name another")
    try:
        check_room(there)
    except DataError as error:
        raise ConfigError(f"{key}: {error}") from None


def _scratch_files(path: Path, machine: str) -> Iterator[tuple[Path, int]]:
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.{re.escape(machine)}-(\d+){re.escape(path.suffix)}")
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if match := pattern.fullmatch(entry.name):
                yield Path(entry.path), int(match[1])


def _lives(pid: int) -> bool:
    with suppress(PermissionError):  # somebody else's process
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
