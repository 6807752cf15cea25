"""Resume an interrupted job: one process at a time, and no finished work is repeated.

Snakemake deletes the outputs of a job before it runs the job again. A job whose Snakemake was killed keeps running.
Therefore each training job has a folder of its own, which is no output of the workflow. The folder holds

* a lock, so that two attempts never train at the same time;
* the checkpoint of the fit;
* the outputs of a finished attempt, as hard links, which take no space. They stay until a job that reads these outputs
  begins: that shows that Snakemake knows of them.
"""

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..files import put_in_place, replacing, user_path
from ..study.grid import Box
from ..study.study import Study

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


def checkpoints_of(study: Study) -> Path:
    """The folder in which the training jobs of `study` keep what they need to resume.

    A subfolder, named after the study, of its `checkpoints` or else of `$SSLFAST_CHECKPOINTS`. If neither is
    given, `results/<study>/checkpoints`. A job that may resume on another machine needs a folder that both machines
    share. Raises `ConfigError` for text that is no path.
    """
    elsewhere = study.checkpoints or os.environ.get("SSLFAST_CHECKPOINTS")
    if elsewhere:
        return user_path(elsewhere, "checkpoints") / study.name
    return Path("results", study.name, "checkpoints")


def attempt_folder(checkpoints: Path, record: str | Path) -> Path:
    """The folder below `checkpoints` that belongs to the job that writes `record`."""
    record = Path(record)
    return checkpoints / record.parent.name / record.stem


@contextmanager
def attempt(
    folder: str | Path, outputs: Sequence[str | Path], key: str, say: Callable[[str], object] = print
) -> Iterator[bool]:
    """Run the block as the only process that makes `outputs`. Yields whether they are finished already.

    `folder`: where attempts at these outputs keep the lock, the checkpoint and finished outputs. `key`: a digest of
    everything that the outputs depend on (see `digest_of`). If an earlier attempt with the same `key` has finished, its
    outputs are put back in place, and the block has nothing to do. `say`: gets a line for a person if this process has
    to wait for another one.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "lock", say):
        there = _bring_back(folder / "ended", outputs, key)
        yield there
        with suppress(OSError):  # a full disk, say: the outputs themselves are complete
            if not there:
                _keep(folder / "ended", outputs, key)
            (folder / CHECKPOINT).unlink(missing_ok=True)


def digest_of(depends_on: object, files: Iterable[str | Path]) -> str:
    """The SHA-256, hexadecimal, of `depends_on` (as JSON) and of the content of `files`."""
    content = [depends_on, [sum_of(file) for file in files]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def forget(records: Iterable[str | Path], checkpoints: Path) -> None:
    """Remove the attempt folders of the jobs that wrote `records`, the inputs of a job that begins now.

    Snakemake began that job, so it knows that its inputs are finished. Inputs that are no run records are ignored.
    """
    for record in map(Path, records):
        if Box.at(record):
            left = attempt_folder(checkpoints, record)
            shutil.rmtree(left, ignore_errors=True)
            for folder in (left.parent, checkpoints):
                with suppress(OSError):  # not empty, or gone already
                    folder.rmdir()


@contextmanager
def alone(path: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Run the block while this process alone holds the lock file `path`.

    `say`: gets a line for a person if another process holds the lock, and if the file system has no locks: then nothing
    keeps other processes out.
    """
    # without locks, filelock falls back on whether the file exists: it would outlive a killed process, and block others
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = path.read_text(encoding="utf-8") or "another process"
        say(f"waits for {owner}, which is doing the same work ({path} is locked); to do it here, end that process")
        lock.acquire(poll_interval=0.5)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        say(f"{path}: no locks on this file system ({error.strerror}), so two attempts may do this work at once")
    try:
        if lock.is_locked:
            path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def _keep(folder: Path, outputs: Sequence[str | Path], key: str) -> None:
    """Link `outputs` into `folder`, which appears complete or not at all."""
    scratch = folder.with_name("ending")
    for old in (scratch, folder):
        shutil.rmtree(old, ignore_errors=True)
    scratch.mkdir()
    for number, output in enumerate(map(Path, outputs)):
        _link(output, scratch / _name(number, output))
    about = {"key": key, "sums": [sum_of(output) for output in outputs]}
    (scratch / "about.json").write_text(json.dumps(about), encoding="utf-8")
    put_in_place(scratch, folder)


def _bring_back(folder: Path, outputs: Sequence[str | Path], key: str) -> bool:
    """Put the outputs kept in `folder` back in place; whether they were there, unchanged and made with this `key`."""
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
