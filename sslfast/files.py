"""Files that appear whole or not at all, last, and tell if a bit of them changed; and checks of paths people wrote."""

import errno
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ConfigError, DataError, shown

__all__ = ["CHECKSUM", "check_room", "check_writable", "put_in_place", "replacing", "user_path", "verify"]

ROOM = 2**20  # bytes that must be free; every study needs more
_BEFORE, _BLANK, _AFTER = b"<sslfast sha256 ", b"0" * 64, b" sslfast>"
# What a writer puts into a file, where the format lets it and after all that others chose, for its checksum to stand.
CHECKSUM = (_BEFORE + _BLANK + _AFTER).decode()
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP}


@contextmanager
def replacing(path: str | Path, checksum: bool = False, lasting: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path`; it becomes `path` if the block ends well, and is removed otherwise.

    `checksum`: the block writes `CHECKSUM` somewhere into the file, and there its checksum is to stand (see `verify`).
    Temporary files that killed writers of `path` on this machine left behind are removed, too. An `OSError` in the
    block (a full disk, say) names `path`. What is written outlasts a power failure (see `put_in_place`), unless it is
    not `lasting`: for what is written often, and may be lost.
    """
    path, machine = Path(path), re.sub(r"\W", "_", platform.node())
    scratch = path.with_name(f".{path.stem}.{machine}-{os.getpid()}{path.suffix}")
    try:
        _make_folder(path.parent)
        for left, pid in _scratch_files(path, machine):
            if not _lives(pid):
                left.unlink(missing_ok=True)
        yield scratch
        if checksum:
            _write_checksum(scratch)
        (put_in_place if lasting else os.replace)(scratch, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # it named no file, or the temporary one
        raise
    finally:
        with suppress(OSError):  # renamed already, or not removable: then the error above says why
            scratch.unlink()


def verify(path: str | Path) -> bool:
    """Whether every bit of the file at `path` is as it was written: True, or `ValueError`; False without a checksum.

    The checksum is the SHA-256 of the file with `CHECKSUM` in its place. What stands on both sides of it tells, if one
    of them changed, that there was one.
    """
    with open(path, "rb") as file:
        content = file.read()
    start, stop = content.rfind(_BEFORE) + len(_BEFORE), content.rfind(_AFTER)
    if start < len(_BEFORE) and stop < 0:
        return False
    if start < len(_BEFORE) or stop - start != len(_BLANK) or content[start:stop] != _checksum(content, start, stop):
        raise ValueError("its checksum says that it has changed since it was written")
    return True


def put_in_place(scratch: Path, path: Path) -> None:
    """Rename `scratch`, a file or a folder of files, to `path`; after a power failure `path` is the old or the new.

    A file system may write a name to the disk before the content, and long after the rename. So the content is
    synced, then renamed, then the folder synced that has the name. Source: Pillai et al. 2014, All file systems are
    not created equal.
    """
    for part in (*scratch.iterdir(), scratch) if scratch.is_dir() else (scratch,):
        _sync(part)
    os.replace(scratch, path)
    _sync(path.parent)


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


def _write_checksum(path: Path) -> None:
    content = path.read_bytes()
    start = content.rfind(CHECKSUM.encode()) + len(_BEFORE)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(_checksum(content, start, start + len(_BLANK)))


def _checksum(content: bytes, start: int, stop: int) -> bytes:
    digest = hashlib.sha256(memoryview(content)[:start])
    digest.update(_BLANK)
    digest.update(memoryview(content)[stop:])
    return digest.hexdigest().encode()


def _make_folder(folder: Path) -> None:
    for above in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
        above.mkdir(exist_ok=True)
        _sync(above.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:  # some file systems cannot sync a folder
            raise
    finally:
        os.close(handle)


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
