"""From what a probe measured to what each job will take."""

from dataclasses import dataclass

from ..study.grid import Job
from ..study.limits import IN_MEMORY
from ..study.names import PIXELS
from ..study.stages import RECORDING, STAGES
from ..study.study import Study
from .speeds import Speed, Speeds
from .work import Sizes, Work, work_of

__all__ = ["Estimate", "Estimator"]

VALUE = {"float32": 4, "bfloat16": 2}  # bytes


@dataclass(frozen=True)
class Estimate:
    """Of one job. `seconds` of wall-clock, of which its record will tell `recorded`; None where nothing was measured.

    In bytes: `memory` that it holds for itself, `files` that it leaves, `scratch` on the disk while it runs.
    """

    seconds: float | None
    recorded: float | None
    memory: float = 0.0
    files: float = 0.0
    scratch: float = 0.0


class Estimator:
    """`estimate(job)` for the jobs of `study`.

    `sizes`: of its splits; `speeds`: of this machine. Every time is a sum of numbers of images times seconds an image.
    """

    def __init__(self, study: Study, sizes: Sizes, speeds: Speeds):
        self.study, self.sizes, self.speeds = study, sizes, speeds

    def work(self, job: Job) -> Work:
        """The images that `job` processes."""
        return work_of(job, self.study, self.sizes, self.speeds.views.get(job.encoder or ""))

    def estimate(self, job: Job) -> Estimate:
        """What `job` will take."""
        if job.rule == "split":
            return Estimate(self.speeds.start + self.speeds.split, None)
        if job.rule not in RECORDING:  # none of them trains, or is as long as a fit
            return Estimate(self.speeds.start, None)
        speed = self.speeds.kinds.get(job.kind)
        if speed is None:
            return Estimate(None, None)
        work, s = self.work(job), self.sizes
        fit = 0.0
        if work.epochs:
            fit = speed.once + work.encoded * speed.encoded + work.trained * speed.trained
            fit += work.epochs * (work.valid * speed.valid + speed.epoch)
        elif STAGES[job.stage].of_pairs:
            fit = work.fitted * (s.n_valid + s.n_test) * speed.fitted
        elif work.fitted:
            fit = work.fitted * speed.fitted
        data = speed.data + (0 if work.epochs else work.encoded * speed.encoded)
        evaluated = work.test * speed.tested
        # the tables hold of an encoder what its fit took, and of a cell all three
        recorded = fit if job.stage == "pretrain" else data + fit + evaluated
        looked_at = s.n_valid + (work.encoded if job.rule == "pretrain" and not work.epochs else 0)
        whole = self.speeds.start + data + fit + evaluated + looked_at * speed.outside
        return Estimate(whole, recorded, *self._bytes(job, work, speed))

    def _bytes(self, job: Job, work: Work, speed: Speed) -> tuple[float, float, float]:
        """Memory, files, scratch. A probe's features are few, those of a job may be many."""
        features, trains = 0.0, STAGES[job.stage].trains
        values = self.speeds.values.get(job.encoder or "", 0)
        if job.stage == "classify" and work.encoded:  # else it computes none once
            features = (work.encoded - work.valid) * values * 2
        elif not trains and job.stage != PIXELS:
            features = (work.fitted + work.valid + work.test) * min(values, 4096) * 4
        memory = speed.memory + (features if features <= IN_MEMORY or not trains else 0)
        scratch = speed.checkpoint + (features if trains and features > IN_MEMORY else 0)
        return memory, speed.files + work.epochs * speed.row, scratch
