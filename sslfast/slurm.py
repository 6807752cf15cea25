"""What a person is told when a cluster cannot run a study as it is called."""

import re
import subprocess
from collections.abc import Iterable

from .errors import SslfastError

__all__ = ["check_slurm", "refusals"]


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
        asked = subprocess.run(["sacct", "--noheader"], capture_output=True, text=True, check=False)  # noqa: S607
        if asked.returncode:
            raise SslfastError(
                f"sacct: {(asked.stderr.strip() or 'failed').splitlines()[-1]}; so nobody can be asked how a job ended:"
                " on a cluster without accounting add --slurm-status-command squeue"
            )


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
