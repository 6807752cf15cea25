"""What the script of the rule `plan` calls, with a `RunningJob` as argument."""

import json
import os
import time
from pathlib import Path

from ..files import replacing
from ..runtime.jobs import RunningJob, say
from ..stages.inputs import study_images
from .plan import make_plan
from .text import plan_text

__all__ = ["age_of_process", "plan"]


def plan(job: RunningJob) -> None:
    """Say what the study will take, from short measurements on this machine."""
    before = max(0.0, age_of_process() - (time.perf_counter() - job.began))
    data = study_images(job.params.content, job.study)
    found = make_plan(
        job.study,
        data,
        job.params.content,
        Path(job.output.plan).parent,
        job.params.reports,
        cores=job.threads,
        gpus=job.params.gpus,
        before=before,
    )
    text = plan_text(found)
    for path, content in ((job.output.plan, json.dumps(found, indent=1)), (job.output.text, text)):
        with replacing(path) as scratch:
            scratch.write_text(content + "\n", encoding="utf-8")
    say(f"\n{text}\n")


def age_of_process() -> float:
    """Seconds since this process began, where the system tells (Linux), else 0."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        return max(0.0, up - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return 0.0
