"""Files appear whole or not at all."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; it becomes `path` when the block ends well, else it goes.

    What processes of this machine left there that were killed while they wrote `path`, goes too.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = re.sub(r"\W", "_", platform.node())
    for left, pid in _scratch_files(path, machine):
        if not _lives(pid):
            left.unlink(missing_ok=True)
    scratch = path.with_name(f".{path.stem}.{machine}-{os.getpid()}{path.suffix}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


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
