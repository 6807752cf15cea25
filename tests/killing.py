"""Processes that are killed at a chosen moment, for tests."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import psutil

__all__ = ["ended", "in_a_process", "kill_this_process", "killed"]


def in_a_process(work: Callable[[], object]) -> multiprocessing.Process:
    """A process that does `work`, begun as a fork of this one, so that what is patched here is patched there."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def killed(work: Callable[[], object]) -> bool:
    """Do `work` in a process of its own: whether it was killed by SIGKILL. Nothing else may go wrong in it."""
    process = in_a_process(work)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def kill_this_process(*_args, **_kwargs) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended(pid: int, seconds: float = 20) -> bool:
    """Whether the process ends in a moment; some containers keep such as zombies."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        with suppress(psutil.TimeoutExpired):
            process.wait(seconds)
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True
