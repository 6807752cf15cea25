"""A study's plan: what is left to do, and what that will take here and elsewhere."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..analysis.planned import read_plan, time_digest
from ..data.images import ImageData
from ..data.splits import make_split
from ..study.grid import Job, jobs_of
from ..study.stage_table import RECORDING
from ..study.study import Study
from .done_already import done
from .estimate import Estimate, Estimator
from .measure import measure_speeds
from .schedule import wall_clock
from .sizes import sizes_of

__all__ = ["make_plan", "plan_of"]

LADDER = 8  # numbers of jobs at once that are tried, each twice the one before


def make_plan(
    study: Study,
    data: ImageData,
    content: Mapping,
    results: str | Path,
    reports: str | Path,
    *,
    cores: int,
    gpus: int = 0,
    before: float = 0.0,
) -> dict:
    """The plan of `study`; plain values, for JSON.

    Measures on this machine what is not known, within about a minute. `content`: what the folders of its images hold
    (`content_of`); `results` and `reports`: the study's folders, where what is done is looked for; `cores` and `gpus`:
    what jobs share here; `before`: seconds that a job takes before its script begins. Of an earlier plan the estimates
    of jobs that are done are kept.
    """
    jobs = jobs_of(study)
    finished = done(jobs, study, results, reports, data.fingerprint)
    left = [job for job in jobs if job.name not in finished]
    load, start = _load(), time.perf_counter()
    split = make_split(data, study.seeds[0], study.valid_fraction)
    split_seconds = time.perf_counter() - start
    slots = gpus or max(1, cores // study.threads)
    kinds = [job.kind for job in left if job.rule in RECORDING]
    side_by_side = min(slots, max(1, len(kinds)))
    speeds = measure_speeds(
        kinds, split, study, content, side_by_side=side_by_side, split_seconds=split_seconds, before=before
    )
    estimator = Estimator(study, sizes_of(split, len(data.test), study), speeds)
    plan = plan_of(jobs, left, estimator, slots=slots)
    if earlier := read_plan(Path(results) / "plan.json", study):
        kept = [name for name in earlier["estimates"] if name in finished]
        for part in ("estimates", "settings"):
            plan[part] = {**{name: earlier[part][name] for name in kept}, **plan[part]}
    image_bytes = data.train.x.nbytes + data.test.x.nbytes
    plan["machine"] = {"cores": cores, "gpus": gpus, "threads": study.threads, "device": speeds.device}
    plan["machine"] |= {
        "load": load,
        "memory": _memory(),
        "disk": shutil.disk_usage(Path(results).absolute().parents[1]).free,
    }
    return {**plan, "images_in_memory": image_bytes}


def plan_of(jobs: Sequence[Job], left: Sequence[Job], estimator: Estimator, *, slots: int) -> dict:
    """The arithmetic of a plan: `left` of `jobs` are to be done, `slots` of them at once."""
    estimates = {job.name: estimator.estimate(job) for job in left}
    seconds = {name: found.seconds or 0.0 for name, found in estimates.items()}
    needs = {job.name: job.needs for job in left}
    problems = dict(estimator.speeds.problems)
    outside = {job.name: estimator.speeds.start for job in left}
    numbers = [slots * 2**k for k in range(LADDER)]
    elsewhere = {n: wall_clock(seconds, needs, n) for n in numbers}
    # the first of them from which more at once would save less than a twentieth
    last = next((n for n in numbers if elsewhere[n] <= 1.05 * elsewhere[numbers[-1]]), numbers[-1])
    memory = sorted((found.memory for found in estimates.values()), reverse=True)
    scratch = sorted((found.scratch for found in estimates.values()), reverse=True)
    return {
        "study": estimator.study.name,
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        "side_by_side": slots,
        "jobs": len(jobs),
        "left": len(left),
        "stages": _stages(jobs, left, estimator, estimates),
        "seconds": sum(seconds.values()),
        "wall_clock": elsewhere[slots],
        "elsewhere": [{"at_once": n, "seconds": elsewhere[n]} for n in numbers if slots < n <= last],
        "starts": [{"at_once": n, "seconds": wall_clock(outside, needs, n)} for n in (1, 2, 4, 8)],
        "memory": sum(memory[:slots]),
        "files": sum(found.files for found in estimates.values()),
        "features": sum(found.features for found in estimates.values()),
        "scratch": sum(scratch[:slots]),
        "not_measured": problems,
        # a job's seconds, those of them that its record will tell, and the MB that it holds
        "estimates": {
            name: [_rounded(found.seconds), _rounded(found.recorded), round(found.memory / 1e6)]
            for name, found in estimates.items()
        },
        "settings": {job.name: time_digest(estimator.study, job) for job in left},
    }


def _stages(
    jobs: Sequence[Job], left: Sequence[Job], estimator: Estimator, estimates: Mapping[str, Estimate]
) -> list[dict]:
    """A row a rule and stage, in the order of the study."""
    rows: dict[tuple[str, str], dict] = {}
    for job in jobs:
        empty = {"jobs": 0, "done": 0, "trained": 0, "encoded": 0, "seconds": 0.0, "memory": 0.0, "unknown": 0}
        row = rows.setdefault((job.rule, job.stage), {"rule": job.rule, "stage": job.stage, **empty})
        if job.name not in estimates:
            row["done"] += 1
            continue
        found, work = estimates[job.name], estimator.work(job)
        row["jobs"] += 1
        row["trained"] += work.trained
        row["encoded"] += work.encoded
        row["seconds"] += found.seconds or 0.0
        row["memory"] = max(row["memory"], found.memory)
        row["unknown"] += found.seconds is None
    return list(rows.values())


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _load() -> float | None:
    """How many processes wanted a core in the last minute, if the system tells."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def _memory() -> int | None:
    """Bytes of memory that this machine has, if it tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
