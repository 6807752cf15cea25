"""What every script of the workflow does around its work: log, and fail with one line."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from .errors import SslfastError

__all__ = ["job"]


@contextmanager
def job(log: str | Path) -> Iterator[None]:
    """Send what the block prints to the file `log`; an error that a user can mend ends as one line on stderr.

    Any other exception leaves its traceback in the log and its last line on stderr. Exit code 1.
    """
    try:
        with open(log, "a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
            try:
                yield
            except BaseException:
                traceback.print_exc()
                raise
    except SslfastError as error:
        _fail(f"error: {error}")
    except Exception as error:
        _fail(f"error: {type(error).__name__}: {' '.join(str(error).split())} (traceback in {log})")


def _fail(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
    os._exit(1)  # Snakemake says that the job failed; a traceback here would bury the line
