"""SLURM: repairs to the answers that Snakemake's plugin gets about jobs, and words for jobs that were refused."""

import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from logging import Logger

__all__ = ["mend_plugin", "mended", "refusals"]

# the plugin's function that runs SLURM's status command: it returns the state of each job by its id (None without an
# answer), and the seconds that the answer took
Question = Callable[[str, Logger], Awaitable[tuple[dict[str, str] | None, float | None]]]


def mend_plugin() -> None:
    """Replace the status query of Snakemake's plugin, version 2.8, by `mended`; for other versions, print a warning."""
    import snakemake_executor_plugin_slurm as plugin

    found = version("snakemake-executor-plugin-slurm")
    if found.startswith("2.8.") and hasattr(plugin, "query_job_status"):
        plugin.query_job_status = mended(plugin.query_job_status)
    else:
        sys.stderr.write(
            f"warning: Snakemake's plugin for SLURM is {found}; sslfast repairs only 2.8, so a study may wait for ever"
            " for jobs that were cancelled or preempted (docs/running.md)\n"
        )


def mended(question: Question) -> Question:
    """`question`, the plugin's query for the states of jobs, without the answers that make the plugin wait for ever.

    Version 2.8 has three of these: no answer (it forgets the jobs), sacct's `CANCELLED by 1000`, and `PREEMPTED` for a
    job that SLURM does not run again. Here no answer becomes no news, and the other two become `CANCELLED`.
    """
    silent = False

    async def states_of_jobs(command: str, logger: Logger) -> tuple[dict[str, str], float | None]:
        nonlocal silent
        states, seconds = await question(command, logger)
        if silent != (states is None):
            silent = not silent
            program = command.split()[0]
            logger.warning(
                f"{program} does not answer: the states of jobs are unknown. They go on, and {program} is asked again"
                if silent
                else f"{program} answers again"
            )
        if states is None:
            return {}, 0.0  # the plugin asks again about jobs that are missing in the answer
        states = {job: state.partition(" ")[0] for job, state in states.items()}
        lost = _not_in_queue({job for job, state in states.items() if state == "PREEMPTED"})
        return states | dict.fromkeys(lost, "CANCELLED"), seconds

    return states_of_jobs


def _not_in_queue(preempted: set[str]) -> set[str]:
    """The preempted jobs that SLURM will not run again; sacct says PREEMPTED also of a job that waits to run again."""
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
    """A line for each group of jobs that SLURM refused, from Snakemake's `log`, which says neither that nor why.

    A job that reached the queue has a log file of its own, and `log` names that file.
    """
    groups = re.findall(r"message: Error in group (\S+)\n\s*jobs:", log)
    return [
        f"error: SLURM did not take the group {group}; none of its jobs has begun. One after the other they may need"
        " more time than the partition allows (then make group-components smaller), or the partition or account is"
        " wrong; the same command with --verbose shows the call of sbatch, to try by hand"
        for group in dict.fromkeys(groups)
    ]
