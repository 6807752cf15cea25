"""Errors meant for a person: one line that says what was found, what was expected and what to do."""

import errno
import re

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceError",
    "RecordError",
    "ResultsError",
    "SslfastError",
    "explain",
    "one_line",
    "printable",
    "shown",
]

LONGEST = 100  # characters of a value that an error repeats


class SslfastError(Exception):
    """Base of every error that a user can mend. Its `message` is a single line that is safe to print."""

    def __init__(self, message: str):
        super().__init__(printable(" ".join(str(message).split())))


class ConfigError(SslfastError):
    """A key of the config is unknown, missing or has a value that cannot work."""


class DataError(SslfastError):
    """A file or folder, mostly of images, is missing, empty, unreadable or contradictory."""


class DeviceError(SslfastError):
    """The requested processor does not exist on this machine, or cannot be used."""


class RecordError(SslfastError):
    """A file that sslfast wrote (split, encoder, record) is damaged or belongs to something else."""


class ResultsError(SslfastError):
    """A table of results lacks a column, contradicts itself, or mixes what cannot be compared."""


def printable(text: str) -> str:
    r"""`text`, with escapes (`\x1b`) for the characters that a terminal, page or table would obey instead of show.

    These are control characters, bytes of a file name that are not UTF-8, and marks that change the direction of text.
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def shown(value: object) -> str:
    """`value` as an error message repeats it: Python's `repr`, cut after 100 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, a list that holds itself
        text = f"a {type(value).__name__} too long to show"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def explain(error: BaseException) -> str | None:
    """One line on what the machine refused (disk space, access, memory) and what to do; None for any other error."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        # numpy reports a short write by an OSError without errno
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "requested and" in str(error):
            return f"{where}no space left on the disk; make room and run again (what is finished is kept)"
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return f"{where}not allowed to write or read this ({error.strerror}); change that and run again"
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return (
            f"out of memory ({shown(str(error))}); run fewer jobs at once (--cores), or set a smaller batch_size"
            " or image_size, and run again"
        )
    return None


def one_line(error: BaseException) -> str:
    """`error` in one line that is safe to print: what to do, if that is known, else Python's own message."""
    if isinstance(error, SslfastError):
        return str(error)
    return printable(explain(error) or f"{type(error).__name__}: {' '.join(str(error).split())}")


_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory|Cannot allocate memory", re.IGNORECASE)
