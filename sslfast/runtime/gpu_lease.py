"""Gives each job a GPU, alone or shared with a few other jobs, until it ends.

Snakemake counts GPUs and binds none: four jobs under `--resources gpu=4` would all train on the first. So a job holds a
file lock for as long as it uses a GPU; the system frees it with the process, however that ends.
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
from .gpus import VISIBLE, Gpu, gpus_to_share

__all__ = ["lease_gpu"]

PAUSE = 0.5  # seconds between two looks for a GPU that has become free


@contextmanager
def lease_gpu(per_gpu: int = 1, say: Callable[[str], object] = print) -> Iterator[Gpu | None]:
    """CUDA sees one GPU alone in the block: that of `gpus_to_share` which the fewest of this user's jobs hold.

    The block waits while each is held by `per_gpu` jobs, and `say` tells a person so. It does nothing, and yields None,
    where no GPU is to be shared out. It must begin before CUDA is first used, which reads the environment then; torch
    may have been imported. Raises `DeviceError`.
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
    """Where the leases of this user on this machine are: one folder for all studies, which nobody else may write to."""
    user = os.geteuid()
    folder = Path(tempfile.gettempdir()) / f"sslfast-gpus-{platform.node()}-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != user:
        raise DeviceError(
            f"{folder}: jobs that use a GPU hold locks there, but it is no folder of yours; remove it, or set TMPDIR"
            " to a folder of your own, and run again"
        )
    return folder


def _wait(gpus: list[Gpu], per_gpu: int, folder: Path, say: Callable[[str], object]) -> tuple[Gpu, FileLock]:
    said = False
    while not (lease := _take(gpus, per_gpu, folder)):
        if not said:
            say(
                f"waits for a GPU: each of the {len(gpus)} here has as many jobs as jobs_per_gpu allows ({per_gpu});"
                " with a smaller --resources gpu=… fewer would start"
            )
        said = True
        time.sleep(PAUSE)
    return lease


def _take(gpus: list[Gpu], per_gpu: int, folder: Path) -> tuple[Gpu, FileLock] | None:
    """The GPU that the fewest hold, and the lock that says so; None if each has `per_gpu` holders."""
    with FileLock(folder / "choosing"):  # alone, as looking takes all that is free for a moment
        free = {gpu: _free_places(folder / re.sub(r"[^\w-]", "_", gpu.uuid), per_gpu) for gpu in gpus}
        gpu = max(gpus, key=lambda gpu: len(free[gpu]))
        lock = free[gpu].pop() if free[gpu] else None
        for other in chain(*free.values()):
            other.release()
    return (gpu, lock) if lock else None


def _free_places(path: Path, per_gpu: int) -> list[FileLock]:
    locks = [FileLock(f"{path}-{place}") for place in range(per_gpu)]
    return [lock for lock in locks if _locks(lock)]


def _locks(lock: FileLock) -> bool:
    with suppress(Timeout):
        lock.acquire(timeout=0)
    return lock.is_locked
