"""`run`: the one call of every script of the workflow."""

import time
from typing import NoReturn

from .imports import imported
from .job_client import hand_over

__all__ = ["run"]


def run(snakemake, work: str) -> NoReturn:
    """Do the job that `snakemake`, the script's own object, describes, and end the process.

    `work`: the function that does the job, as `module:function`; its argument is a `RunningJob`. If there is a job
    server, a fork of it does the job, with everything imported already (see `job_client`). Log, errors and exit codes:
    see `perform`.
    """
    hand_over()
    began = time.perf_counter()
    function = imported(work)  # here, not in `perform`: some calls deeper, the same imports took a tenth longer
    from .jobs import perform  # here: a process that hands its work over does not need it

    perform(snakemake, function, began)
