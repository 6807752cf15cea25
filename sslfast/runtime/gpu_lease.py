"""Assigns a GPU to each job until the job ends, alone or shared with a few other jobs.

Snakemake counts GPUs but does not assign them: four jobs under `--resources gpu=4` would all train on the first one.
Therefore a job holds a file lock for as long as it uses a GPU. The operating system releases the lock when the process
ends, however it ends. `gpu_discovery` finds out which GPUs there are.
"""

import os
import platform
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import DeviceError
from .gpu_discovery import VISIBLE, Gpu, gpus_to_share

__all__ = ["lease_gpu"]

PAUSE = 0.5  # seconds between two attempts to get a GPU
WAITS = "-waits-"  # between a GPU and since when, in the name of a place in the line


@contextmanager
def lease_gpu(per_gpu: int = 1, say: Callable[[str], object] = print) -> Iterator[Gpu | None]:
    """In the block, CUDA sees exactly one GPU: the one of `gpus_to_share` that the fewest jobs of this user hold.

    Yields that `Gpu`; if there is none to share, yields None and changes nothing. Waits while each GPU is held by
    `per_gpu` jobs; `say` then gets one line for a person. Whoever has waited longest is next, whichever study it is of:
    two studies that run as many jobs at once get as many GPUs. The block must begin before CUDA is first used, since
    CUDA reads the environment only then; torch may have been imported before. Raises `DeviceError` if
    `CUDA_VISIBLE_DEVICES` names a GPU that is not here, or if the folder of the locks belongs to somebody else.
    """
    if not (gpus := gpus_to_share()):
        yield None
        return
    gpu, lock = _wait(gpus, per_gpu, _folder(), say)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = gpu.visible
    try:
        yield gpu
    finally:
        os.environ.pop(VISIBLE)
        if before is not None:
            os.environ[VISIBLE] = before
        lock.release()


def _folder() -> Path:
    """The folder of the locks: one per user and machine, for all studies, which nobody else may write to."""
    user = os.geteuid()
    folder = Path(tempfile.gettempdir()) / f"sslfast-gpus-{platform.node()}-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != user:
        raise DeviceError(
            f"{folder}: jobs that use a GPU keep locks there, but it is no folder of yours; remove it, or set TMPDIR"
            " to a folder of your own, and run again"
        )
    return folder


def _wait(gpus: list[Gpu], per_gpu: int, folder: Path, say: Callable[[str], object]) -> tuple[Gpu, FileLock]:
    """A lease, as soon as it is this job's turn: of those that wait for a GPU, whoever came first gets it."""
    if lease := _take(gpus, per_gpu, folder):
        return lease
    with _in_line(gpus, folder) as since:
        said = False
        while not (lease := _take(gpus, per_gpu, folder, since)):
            if not said:
                say(
                    f"waits for a GPU: each of the {len(gpus)} here has as many jobs as jobs_per_gpu allows"
                    f" ({per_gpu}); a smaller --resources gpu=… starts fewer jobs at once"
                )
            said = True
            time.sleep(PAUSE)
        return lease


@contextmanager
def _in_line(gpus: list[Gpu], folder: Path) -> Iterator[str]:
    """A place in the line for each of `gpus`, by when it was taken: a locked file, which the dead leave by dying."""
    since = f"{time.monotonic_ns():020}"  # one clock for all processes of a machine
    places = [FileLock(f"{_file(gpu, folder)}{WAITS}{since}-{os.getpid()}") for gpu in gpus]
    for place in places:
        place.acquire()
    try:
        yield since
    finally:
        for place in places:
            Path(place.lock_file).unlink(missing_ok=True)
            place.release()


def _take(gpus: list[Gpu], per_gpu: int, folder: Path, since: str | None = None) -> tuple[Gpu, FileLock] | None:
    """The GPU with the fewest jobs, and the lock that this job now holds on it.

    None if each has `per_gpu` jobs, or another job waits for one of `gpus` that came before `since` (None: now).
    """
    with FileLock(folder / "choosing"):  # one process at a time, since counting locks every free place for a moment
        line = [path for gpu in gpus for path in folder.glob(f"{_file(gpu, folder).name}{WAITS}*")]
        if any(_waits(path) for path in line if since is None or path.name.partition(WAITS)[2] < since):
            return None
        free = {gpu: _free_places(_file(gpu, folder), per_gpu) for gpu in gpus}
        gpu = max(gpus, key=lambda gpu: len(free[gpu]))
        lock = free[gpu].pop() if free[gpu] else None
        for other in chain(*free.values()):
            other.release()
    return (gpu, lock) if lock else None


def _file(gpu: Gpu, folder: Path) -> Path:
    """Where the names of a GPU's locks begin."""
    return folder / re.sub(r"[^\w-]", "_", gpu.uuid)


def _waits(path: Path) -> bool:
    """Whether somebody holds the place in the line `path`; if not, it is removed."""
    if not _locks(lock := FileLock(path)):
        return True
    path.unlink(missing_ok=True)
    lock.release()
    return False


def _free_places(path: Path, per_gpu: int) -> list[FileLock]:
    """Locks, now held, on all places of a GPU that no job holds; a GPU has `per_gpu` places."""
    locks = [FileLock(f"{path}-{place}") for place in range(per_gpu)]
    return [lock for lock in locks if _locks(lock)]


def _locks(lock: FileLock) -> bool:
    with suppress(Timeout):
        lock.acquire(timeout=0)
    return lock.is_locked
