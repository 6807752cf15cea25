"""What a person is told when a cluster cannot run a study as it is called, and what becomes of jobs there."""

import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import version
from logging import Logger

from ..errors import SslfastError

__all__ = ["check_slurm", "mend_plugin", "mended", "refusals"]

# of SLURM's command and a logger: the state of each job by its number, or None, and the seconds that it took
Question = Callable[[str, Logger], Awaitable[tuple[dict[str, str] | None, float | None]]]


def check_slurm(status_command: str, limits: Iterable[str]) -> None:
    """`SslfastError` where Snakemake would wait for ever, or put cells together that do not fit.

    `status_command`: how it asks for the state of jobs; `limits`: names of what its `resources` limit.
    """
    if "turn" not in limits:
        raise SslfastError(
            "profiles/slurm: found profiles/default beside it, which overrides its resources;"
            " expected: snakemake --workflow-profile profiles/slurm"
        )
    if status_command == "sacct":
        asked = _ask("sacct", "--noheader")
        if asked.returncode:
            raise SslfastError(
                f"sacct: {(asked.stderr.strip() or 'failed').splitlines()[-1]}; so nobody can be asked how a job ended:"
                " on a cluster without accounting add --slurm-status-command squeue"
            )


def mend_plugin() -> None:
    """Let Snakemake's plugin, version 2.8, ask by `mended`; of another version say that it is as it is."""
    import snakemake_executor_plugin_slurm as plugin

    found = version("snakemake-executor-plugin-slurm")
    if found.startswith("2.8.") and hasattr(plugin, "query_job_status"):
        plugin.query_job_status = mended(plugin.query_job_status)
    else:
        sys.stderr.write(
            f"warning: Snakemake's plugin for SLURM is {found}; with 2.8 it would not wait for ever for"
            " jobs that were cancelled or preempted (docs/running.md)\n"
        )


def mended(question: Question) -> Question:
    """`question`, by which Snakemake's plugin learns how jobs are, with no answer that makes it wait for ever.

    Version 2.8 does so after three: none at all (it forgets the jobs), sacct's `CANCELLED by 1000`, and `PREEMPTED`
    of a job that SLURM does not run again.
    """
    silent = False

    async def states_of_jobs(command: str, logger: Logger) -> tuple[dict[str, str], float | None]:
        nonlocal silent
        states, seconds = await question(command, logger)
        if silent != (states is None):
            silent = not silent
            program = command.split()[0]
            logger.warning(
                f"{program} does not answer: how jobs are is not known. They go on, and it is asked again until it does"
                if silent
                else f"{program} answers again"
            )
        if states is None:
            return {}, 0.0  # jobs of which nothing is said are asked after the next time
        states = {job: state.partition(" ")[0] for job, state in states.items()}
        lost = _not_in_queue({job for job, state in states.items() if state == "PREEMPTED"})
        return states | dict.fromkeys(lost, "CANCELLED"), seconds

    return states_of_jobs


def _not_in_queue(preempted: set[str]) -> set[str]:
    """Those that wait for nothing; a job that is requeued is PREEMPTED for sacct until it runs again."""
    if not preempted:
        return set()
    try:
        asked = _ask("squeue", "--me", "--array", "--noheader", "--format=%A %i")
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set() if asked.returncode else preempted - set(asked.stdout.split())


def _ask(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603


def refusals(log: str) -> list[str]:
    """A line for each group of jobs that SLURM did not take; Snakemake's own log does not say why, or that it was so.

    `log`: what Snakemake wrote. A job that reached the queue has a log file of its own, and the log says where.
    """
    groups = re.findall(r"message: Error in group (\S+)\n\s*jobs:", log)
    return [
        f"error: SLURM did not take the group {group}, and nothing of it is lost. Its jobs one after the other may want"
        " more time than the partition allows (then make group-components smaller), or the partition or account is"
        " wrong; the same command with --verbose shows the call of sbatch, to try by hand"
        for group in dict.fromkeys(groups)
    ]
