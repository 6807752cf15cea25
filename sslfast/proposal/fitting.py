"""The largest of some studies that fits a time on this machine, by the planner and a short measurement."""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..planning.estimate import Estimator
from ..planning.measure import measure_speeds
from ..planning.schedule import wall_clock
from ..planning.speeds import Speeds
from ..runtime.device import gpu_here
from ..study.config import check_config
from ..study.datasets import image_shape_of
from ..study.grid import Job, jobs_of
from ..study.names import RANDOM
from ..study.stage_table import RECORDING
from ..study.study import Study
from .choices import Choice
from .facts import Facts

__all__ = ["Fit", "cores_here", "fitted", "slots_of", "speeds_here"]

IN_ALL = 9.0  # seconds that trials may take, about
BEFORE = 0.5  # seconds that Snakemake takes to begin a job
OF_A_CLASS = 300  # images of noise that are measured on, of each of two classes
_BY_PIXEL = ("trained", "encoded", "valid", "tested", "fitted", "outside")  # of a `Speed`: seconds an image

Measure = Callable[[Study, Sequence[str], int], Speeds]


@dataclass(frozen=True)
class Fit:
    """The study that was chosen. `seconds` that it will take; None where nothing could be measured,
    for the reason `problem`. `size`: of the images that were measured, in pixels; `slots`: jobs at once; `load`: how
    many processes wanted a core before that, if the system tells."""

    choices: dict[str, Choice]
    study: Study
    seconds: float | None
    problem: str
    size: int
    slots: int
    load: float | None


def fitted(
    studies: Sequence[dict[str, Choice]], facts: Facts, schema: Mapping, limit: float, measure: Measure | None = None
) -> Fit:
    """The first of `studies`, the largest first, that takes `limit` seconds or less here; the last, if none does.

    `measure`: gives the speeds of kinds of jobs of a study, so many at once (default, `speeds_here`). Each
    encoder is measured once, at one size of images: times at others go with the number of pixels.
    """
    known: dict[tuple, tuple[int, Speeds]] = {}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    for choices in studies:
        study = check_config({key: choice.value for key, choice in choices.items()}, schema)
        slots, jobs = slots_of(study), jobs_of(study)
        kinds = list(dict.fromkeys(job.kind for job in jobs if job.rule in RECORDING and job.method != RANDOM))
        made, side = (*study.encoders, *study.methods), image_shape_of(study)[1]
        if made not in known:
            found = (measure or speeds_here)(study, kinds, min(slots, len(jobs)))
            if found.problems:
                problem = next(iter(found.problems.values()))
                return Fit(choices, study, None, problem, side, slots, load)
            known[made] = side, found
        size, speeds = known[made]
        seconds = _seconds(study, jobs, facts, _scaled(speeds, (side / size) ** 2), slots)
        if seconds <= limit:
            break
    return Fit(choices, study, seconds, "", size, slots, load)


def slots_of(study: Study) -> int:
    """How many jobs of a study run at once on this machine: one a core, or as many as share a GPU."""
    return study.jobs_per_gpu if gpu_here(study.device) else max(1, cores_here() // study.threads)


def cores_here() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def speeds_here(study: Study, kinds: Sequence[str], side_by_side: int) -> Speeds:
    """The `Speeds` of `kinds` of jobs, tried on images of noise of the study's size: content makes no difference."""
    from ..data.splits import make_split  # with torch, which all before does without
    from ..stages.inputs import study_images

    with tempfile.TemporaryDirectory(prefix="sslfast-init-") as place:
        channels, side, _ = image_shape_of(study)
        _write_noise(Path(place) / "images", side, channels)
        study = replace(
            study, folder=str(Path(place) / "images"), data_root=str(Path(place) / "data"), labels=None,
            image_column=None, class_column=None, unlabelled_from=None,
        )  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):  # what trials say is for nobody
            images = study_images({}, study, progress=io.StringIO())
            split = make_split(images, study.seeds[0], study.valid_fraction)
            return measure_speeds(kinds, split, study, {}, side_by_side=side_by_side, before=BEFORE, in_all=IN_ALL)


def _write_noise(folder: Path, size: int, channels: int) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("one", "other"):
        (folder / name).mkdir(parents=True)
        for i in range(OF_A_CLASS):
            pixels = rng.integers(0, 256, (size, size, channels), dtype=np.uint8)
            Image.fromarray(pixels.squeeze()).save(folder / name / f"{i}.bmp")


def _seconds(study: Study, jobs: Sequence[Job], facts: Facts, speeds: Speeds, slots: int) -> float:
    """Until all jobs are done, those that nothing was measured of being as long as their start."""
    estimator = Estimator(study, facts.sizes(study), speeds)
    seconds = {job.name: estimator.estimate(job).seconds or speeds.start for job in jobs}
    seconds["images"] += facts.sample.seconds * len(facts.listing.files)
    return wall_clock(seconds, {job.name: job.needs for job in jobs}, slots)


def _scaled(speeds: Speeds, factor: float) -> Speeds:
    """`speeds` for images of `factor` times as many pixels."""
    kinds = {
        kind: replace(speed, **{name: getattr(speed, name) * factor for name in _BY_PIXEL})
        for kind, speed in speeds.kinds.items()
    }
    values = {encoder: round(n * factor) for encoder, n in speeds.values.items()}
    return replace(speeds, kinds=kinds, values=values)
