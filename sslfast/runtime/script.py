"""The one call of a script of the workflow."""

import time
from typing import NoReturn

from .imports import imported
from .job_client import hand_over

__all__ = ["run"]


def run(snakemake, work: str) -> NoReturn:
    """Do the job that `snakemake`, the script's own object, describes; the process ends with it.

    `work`: where the function is that does it, `module:function`; it gets a `RunningJob`. A fork of a process that has
    imported it already does it, if there is such a process (see `job_client`). Log, errors, exit codes: see `perform`.
    """
    hand_over()
    began = time.perf_counter()
    function = imported(work)  # from here: in `perform`, some calls deeper, the same imports took a tenth longer
    from .jobs import perform  # not before: a process that hands over needs none of it

    perform(snakemake, function, began)
