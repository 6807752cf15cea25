"""Words of Snakemake's command line that a flag took, and that are none of its."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import shown

__all__ = ["check_command_line"]


def check_command_line(words: Sequence[str] | None = None) -> None:
    """End Python with one line on what to type, if `--configfile` or `--config` took a target, or names no file.

    Both take every word up to the next flag, and Snakemake ends in a traceback. It reads its profiles before it looks
    at these words, so they call this. `words`: without the program's name; None: those of this process.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    taken, _ = parser.parse_known_args(words)
    files = [Path(word).is_file() for word in taken.configfile]
    _check("--configfile", "a file", taken.configfile, files)
    _check("--config", "key=value", taken.config, ["=" in word for word in taken.config])


def _check(flag: str, expected: str, words: Sequence[str], fit: Sequence[bool]) -> None:
    if all(fit):
        return
    first = fit.index(False)
    line = f"error: {flag}: found {shown(words[first])}, expected {expected}"
    if first:
        *own, target = words[: first + 1]
        line += f"; a target goes before it: snakemake {target} {flag} {' '.join(own)}"
    sys.exit(line)
