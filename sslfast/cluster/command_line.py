"""Words of Snakemake's command line that it takes for others than their writer meant."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import SslfastError, shown

__all__ = ["check_command_line", "check_workflow_profile"]


def check_command_line(words: Sequence[str] | None = None) -> None:
    """End Python with one line on what to type, if `--configfile` or `--config` took a target, or names no file.

    Both take every word up to the next flag, and Snakemake ends in a traceback. It reads its profiles before it looks
    at these words, so they call this. `words`: without the program's name; None: those of this process.
    """
    parser = _parser()
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    taken, _ = parser.parse_known_args(words)
    files = [Path(word).exists() and not Path(word).is_dir() for word in taken.configfile]  # or a pipe
    _check("--configfile", "a file", taken.configfile, files)
    _check("--config", "key=value", taken.config, ["=" in word for word in taken.config])


def check_workflow_profile(here: Sequence[str | Path], beside: str | Path, words: Sequence[str] | None = None) -> None:
    """Raise `SslfastError` if `--workflow-profile` names no profile, since Snakemake then goes on without any.

    `here`: folders in which it may have been called; `beside`: that of the Snakefile. `words`: as above.
    """
    parser = _parser()
    parser.add_argument("--workflow-profile", default="none")
    name = parser.parse_known_args(words)[0].workflow_profile
    profiles = Path(beside, "profiles")
    folders = [profiles, *map(Path, here), *(Path(folder, "profiles") for folder in here)]
    if name == "none" or any((folder / name).exists() for folder in folders):
        return
    known = ", ".join(sorted(path.name for path in profiles.glob("*/")))
    raise SslfastError(
        f"--workflow-profile: found {shown(name)}, expected a folder here, or a name of one in {profiles}: {known}"
    )


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(add_help=False, allow_abbrev=False)


def _check(flag: str, expected: str, words: Sequence[str], fit: Sequence[bool]) -> None:
    if all(fit):
        return
    first = fit.index(False)
    line = f"error: {flag}: found {shown(words[first])}, expected {expected}"
    if words[first].startswith("~"):
        line += "; a shell leaves ~ behind = as it is: write a space, or $HOME"
    elif first:
        *own, target = words[: first + 1]
        line += f"; a target goes before it: snakemake {target} {flag} {' '.join(own)}"
    sys.exit(line)
