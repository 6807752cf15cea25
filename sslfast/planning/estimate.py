"""What each job will take, from the speeds that short trials measured."""

from dataclasses import dataclass

from ..study.grid import Job
from ..study.limits import IN_MEMORY
from ..study.names import PIXELS
from ..study.stage_table import RECORDING, STAGES
from ..study.study import Study
from .speeds import Speed, Speeds
from .work import Sizes, Work, is_base, work_of

__all__ = ["Estimate", "Estimator"]

VALUE = {"float32": 4, "bfloat16": 2}  # bytes


@dataclass(frozen=True)
class Estimate:
    """What one job will take. `seconds`: wall-clock; `recorded`: those that its record will tell; None if not measured.

    In bytes: `memory` that it holds for itself; `files` that it leaves; `scratch`, on the disk while it runs;
    `features` of a base net, which stay among the results until somebody deletes them.
    """

    seconds: float | None
    recorded: float | None
    memory: float = 0.0
    files: float = 0.0
    scratch: float = 0.0
    features: float = 0.0


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
        if job.rule not in RECORDING:  # these train nothing, and are short
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
        # as tables do: for an encoder the seconds of its fit, for a cell all three
        recorded = fit if job.stage == "pretrain" else data + fit + evaluated
        looked_at = s.n_valid + (work.encoded if job.rule == "pretrain" and not work.epochs else 0)
        whole = self.speeds.start + data + fit + evaluated + looked_at * speed.outside
        return Estimate(whole, recorded, *self._bytes(job, work, speed), self._features(job, speed))

    def _features(self, job: Job, speed: Speed) -> float:
        """Bytes of all images' features, with the job that makes the encoder; a base net is the same for all seeds."""
        s = self.sizes
        again = is_base(job) and job.seed != self.study.seeds[0]
        return (
            0.0
            if again or job.stage != "pretrain"
            else speed.features * (s.n_valid + max(s.n_pool, s.n_labelled) + s.n_test)
        )

    def _bytes(self, job: Job, work: Work, speed: Speed) -> tuple[float, float, float]:
        """Memory, files, scratch. Trials hold few features, so what a job holds of them is added here."""
        features, trains = 0.0, STAGES[job.stage].trains
        values = self.speeds.values.get(job.encoder or "", 0)
        if job.stage == "classify" and work.encoded:  # else it computes no features beforehand
            features = (work.encoded - work.valid) * values * 2
        elif not trains and job.stage != PIXELS:
            features = (work.fitted + work.valid + work.test) * min(values, 4096) * 4
        memory = speed.memory + (features if features <= IN_MEMORY or not trains else 0)
        scratch = speed.checkpoint + (features if trains and features > IN_MEMORY else 0)
        return memory, speed.files + work.epochs * speed.row, scratch
