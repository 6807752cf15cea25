"""What every script of the workflow does around its work: log, fail with one line, start and stop fast."""

import ctypes
import gc
import os
import platform
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from .errors import SslfastError

__all__ = ["job", "keep_freed_memory"]

# Importing torch and fastai makes millions of objects that live to the end: looking through them for
# garbage at Python's usual pace, and tidying them up at exit, took 1.2 of 4.0 s of an empty job. So a
# script imports this module first, and the pace is usual again once `job` begins.
_USUAL = gc.get_threshold()
gc.set_threshold(100_000, 20, 100)


@contextmanager
def job(log: str | Path) -> Iterator[None]:
    """Run the block as a whole process: what it prints goes to the file `log`, then the process ends.

    An error that a user can mend ends as one line on stderr; any other exception leaves its
    traceback in the log and its last line on stderr. Exit code 1 in both cases.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)
    keep_freed_memory()
    try:
        with open(log, "a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
            try:
                yield
            except BaseException:
                traceback.print_exc()
                raise
    except SslfastError as error:
        _end(1, f"error: {error}")
    except Exception as error:
        _end(1, f"error: {type(error).__name__}: {' '.join(str(error).split())} (traceback in {log})")
    _end(0)


def keep_freed_memory() -> None:
    """Tell glibc to keep what a batch frees for the next one, up to 512 MB, instead of handing it back to the system.

    Fetching it again, page by page, took about a tenth of the time of training on a CPU. Elsewhere, nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        options = {-3: 32 << 20, -1: 512 << 20, -2: 64 << 20}  # mmap threshold (its maximum), trim threshold, top pad
        libc = ctypes.CDLL(None)
        for option, value in options.items():
            libc.mallopt(option, value)


def _end(code: int, line: str = "") -> None:
    if line:
        print(line, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
