"""What surrounds the work of every job: its log, errors in one line, interrupted attempts, a GPU."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import SslfastError, explain, one_line
from ..study.study import Study
from .attempts import CHECKPOINT, attempt, checkpoints_of, digest_of, forget
from .gpu_lease import lease_gpu
from .job_client import whoami
from .memory import keep_freed_memory

__all__ = ["RunningJob", "perform", "say"]


@dataclass(frozen=True)
class RunningJob:
    """The argument of a function that does a job's work.

    `wildcards` to `threads` are those of the object that Snakemake gives to scripts. `checkpoint`: for a training job,
    the file of its fit's checkpoint, else None. `began`: when the script began, in seconds of `time.perf_counter`.
    """

    study: Study
    wildcards: Any
    params: Any
    input: Any
    output: Any
    threads: int = 1
    checkpoint: Path | None = None
    began: float = 0.0


def perform(snakemake, work: Callable[[RunningJob], object], began: float | None = None) -> NoReturn:
    """Do `work`, the job that `snakemake` (a script's own object) describes, and end the process.

    Whatever `work` prints goes to the job's log. An exception is told in one line on stderr; its traceback is in the
    log, and the line names the log unless the user can mend the error without it. Exit codes: 0 when the work is done,
    128 + n after signal n, else 1. `began`: when the script began, by `time.perf_counter` (None: now).

    A job with the param `checkpoint`, a folder, is a training job (see `attempt`): nothing is repeated if an earlier
    attempt has finished. A job with the resource `gpu` gets a GPU, alone or shared (see `lease_gpu`).
    """
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _stop)
    log, start = snakemake.log[0], time.perf_counter() if began is None else began
    code, line = 1, ""
    try:
        # file names need not be UTF-8, and writing one must not fail
        with (
            open(log, "a", encoding="utf-8", errors="backslashreplace") as file,
            redirect_stdout(file),
            redirect_stderr(file),
        ):
            print(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {_title(snakemake)}, {whoami()}", flush=True)
            try:
                _do(snakemake, work, start)
                code = 0
            except KeyboardInterrupt as stop:
                number = signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT
                code, line = 128 + number, f"stopped by {number.name}"
            except Exception as error:
                known = isinstance(error, SslfastError) or explain(error)
                line = f"error: {one_line(error)}" + ("" if known else f" (traceback in {log})")
                traceback.print_exc()
            print(f"{line or 'done'}, after {time.perf_counter() - start:.1f} s", flush=True)
    except OSError as error:  # the log itself cannot be written: the disk is full, say
        line = line or ("" if code == 0 else f"error: {one_line(error)}")
    if line:
        _write(line)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def say(line: str) -> None:
    """Print `line` in the job's log and, for a person, on the terminal."""
    print(line, flush=True)
    _write(line)


def _write(line: str) -> None:
    """A line on the terminal, in one piece: jobs that run side by side share it. The screen that Snakemake's process
    keeps there (`sslfast.planning.watch`) lies below the cursor, so that is cleared first."""
    stream = sys.__stderr__
    if stream is None:  # a process without a terminal, as some systems start them
        return
    clear = "\r\x1b[J" if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" else ""
    stream.write(f"{clear}{line}\n")
    stream.flush()


def _do(snakemake, work: Callable[[RunningJob], object], began: float) -> None:
    study = Study.of(snakemake.config)
    told = {name: getattr(snakemake, name) for name in ("wildcards", "params", "input", "output", "threads")}
    forget(snakemake.input, checkpoints_of(study))
    folder = snakemake.params.get("checkpoint")
    if not folder:
        with _gpu(snakemake, study.jobs_per_gpu):
            work(RunningJob(study, **told, began=began))
        return
    with attempt(folder, snakemake.output, _key(snakemake), say) as ended:
        if ended:
            print(f"an earlier attempt ended well; its results are taken from {folder}")
        else:
            with _gpu(snakemake, study.jobs_per_gpu):
                work(RunningJob(study, **told, checkpoint=Path(folder) / CHECKPOINT, began=began))


def _title(snakemake) -> str:
    return " ".join([snakemake.rule, *(f"{name} {value}" for name, value in snakemake.wildcards.items() if value)])


def _key(snakemake) -> str:
    """A digest of everything that the outputs depend on, as Snakemake sees it: rule, params and inputs."""
    params = {name: value for name, value in snakemake.params.items() if name != "checkpoint"}
    return digest_of([snakemake.rule, params], snakemake.input)


@contextmanager
def _gpu(snakemake, jobs_per_gpu: int) -> Iterator[None]:
    if snakemake.resources.get("gpu"):
        with lease_gpu(jobs_per_gpu, say) as gpu:
            if gpu:
                print(f"on the GPU {gpu.visible} ({gpu.name})", flush=True)
            yield
    else:
        yield


class _Terminated(KeyboardInterrupt):
    """SIGTERM as an exception, so that a stopped job removes half-written files and notes the signal in its log."""


def _stop(_number: int, _frame) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a signal to all processes reaches a fork twice
    raise _Terminated
