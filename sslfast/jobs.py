"""What every script of the workflow does around its work: log, fail with one line, start and stop fast."""

import gc
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from .errors import SslfastError, explain, one_line
from .memory import keep_freed_memory

__all__ = ["job"]

# Importing torch and fastai makes millions of objects that live to the end: looking through them for
# garbage at Python's usual pace, and tidying them up at exit, took 1.2 of 4.0 s of an empty job. So a
# script imports this module first, and the pace is usual again once `job` begins.
_USUAL = gc.get_threshold()
gc.set_threshold(100_000, 20, 100)


@contextmanager
def job(log: str | Path) -> Iterator[None]:
    """Run the block as a whole process: what it prints goes to the file `log`, then the process ends.

    An error that a user can mend, and a disk or memory that is full, end as one line on stderr; any
    other exception leaves its traceback in the log and its last line on stderr. Exit code 1 in all cases.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)
    keep_freed_memory()
    try:
        # names of files may be no UTF-8: a log must not fail on what it is to tell
        with (
            open(log, "a", encoding="utf-8", errors="backslashreplace") as file,
            redirect_stdout(file),
            redirect_stderr(file),
        ):
            try:
                yield
            except BaseException:
                traceback.print_exc()
                raise
    except SslfastError as error:
        _end(1, f"error: {error}")
    except Exception as error:
        _end(1, f"error: {one_line(error)}" + ("" if explain(error) else f" (traceback in {log})"))
    _end(0)


def _end(code: int, line: str = "") -> None:
    if line:
        sys.stderr.write(f"{line}\n")  # in one piece: jobs that run side by side share it
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
