"""A job may be killed and begun again: alone at its work, and not twice for nothing.

Snakemake deletes the outputs of a job before it begins the job again, and a job whose Snakemake was killed goes on
without it. So a training job has a folder of its own, which Snakemake does not know: it holds a lock, so that two
attempts never train at once; the checkpoint of its fit; and, once it has ended, its outputs (as links, which
take no room) until a job that needs them shows that Snakemake knows of them.
"""

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..files import replacing, user_path
from ..study.grid import Box

__all__ = [
    "CHECKPOINT",
    "alone",
    "attempt",
    "attempt_folder",
    "checkpoints_of",
    "digest_of",
    "forget",
    "sum_of",
]

CHECKPOINT = "checkpoint.safetensors"
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


def checkpoints_of(config: Mapping) -> Path:
    """Where the training jobs of the study `config` leave what they need to go on.

    Below `checkpoints` of the config, else `$SSLFAST_CHECKPOINTS`, in a folder of the study's name; else beside its
    results. A job that may begin again on another machine needs a folder that both see.
    """
    elsewhere = config.get("checkpoints") or os.environ.get("SSLFAST_CHECKPOINTS")
    if elsewhere:
        return user_path(elsewhere, "checkpoints") / config["study"]
    return Path("results", config["study"], "checkpoints")


def attempt_folder(checkpoints: Path, record: str | Path) -> Path:
    """The folder below `checkpoints` of the job that makes `record`."""
    record = Path(record)
    return checkpoints / record.parent.name / record.stem


@contextmanager
def attempt(
    folder: str | Path, outputs: Sequence[str | Path], key: str, say: Callable[[str], object] = print
) -> Iterator[bool]:
    """The block is the only process that makes `outputs`. Yields True if there is nothing to do.

    That is so where an earlier attempt with the same `key` (all that the outputs depend on) made them; they are
    then in place again. `folder`: where attempts at these outputs leave what they know; `say` tells a person why
    nothing happens while another process is at it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "lock", say):
        there = _bring_back(folder / "ended", outputs, key)
        yield there
        with suppress(OSError):  # a full disk, say: the outputs are there, and that is what counts
            if not there:
                _keep(folder / "ended", outputs, key)
            (folder / CHECKPOINT).unlink(missing_ok=True)


def digest_of(depends_on: object, files: Iterable[str | Path]) -> str:
    """A text that changes with `depends_on` (JSON) and with the content of any of `files`."""
    content = [depends_on, [sum_of(file) for file in files]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def forget(records: Iterable[str | Path], checkpoints: Path) -> None:
    """Remove what attempts left of jobs whose `records` are a job's inputs: so Snakemake knows of their end."""
    for record in map(Path, records):
        if Box.at(record):
            left = attempt_folder(checkpoints, record)
            shutil.rmtree(left, ignore_errors=True)
            for folder in (left.parent, checkpoints):
                with suppress(OSError):  # not empty, or gone already
                    folder.rmdir()


@contextmanager
def alone(path: Path, say: Callable[[str], object]) -> Iterator[None]:
    """No other process is in such a block with the same `path`; `say` tells a person why nothing happens till then."""
    # filelock's own way out, a file that is there or not, would outlive a killed process and be waited for for ever
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = path.read_text(encoding="utf-8") or "another process"
        say(f"waits for {owner}, which is at the same work ({path} is locked); to have it done here, end that process")
        lock.acquire(poll_interval=0.5)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        say(f"{path}: no locks on this file system ({error.strerror}); a second attempt would not wait for this one")
    try:
        if lock.is_locked:
            path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def _keep(folder: Path, outputs: Sequence[str | Path], key: str) -> None:
    """Link `outputs` into `folder`, which is there as a whole or not at all."""
    scratch = folder.with_name("ending")
    for old in (scratch, folder):
        shutil.rmtree(old, ignore_errors=True)
    scratch.mkdir()
    for number, output in enumerate(map(Path, outputs)):
        _link(output, scratch / _name(number, output))
    about = {"key": key, "sums": [sum_of(output) for output in outputs]}
    (scratch / "about.json").write_text(json.dumps(about), encoding="utf-8")
    os.replace(scratch, folder)


def _bring_back(folder: Path, outputs: Sequence[str | Path], key: str) -> bool:
    kept = [folder / _name(number, Path(output)) for number, output in enumerate(outputs)]
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        if about != {"key": key, "sums": [sum_of(file) for file in kept]}:
            return False
    except (OSError, ValueError):
        return False
    for file, output in zip(kept, outputs, strict=True):
        with replacing(output) as scratch:
            _link(file, scratch)
            os.utime(scratch)  # newer than the job's inputs, as if made now
    return True


def _name(number: int, output: Path) -> str:
    return f"{number}{output.suffix}"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def sum_of(file: str | Path) -> str:
    """The SHA-256 of the content of `file`, hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
