"""How far a study is and how long it will still take: what was planned, corrected by what was seen."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from .schedule import wall_clock

__all__ = ["Left", "Progress", "Row", "Running", "Step"]

PRIOR = 10.0  # seconds of work that count as done just as planned, so that one short job does not correct the plan
OVERDUE = 0.1  # a job past its expected end is expected to go on for this share of the time it took so far


@dataclass(frozen=True)
class Step:
    """A job of this call. `needs`: ids of the jobs before it; `done`: before the call; `seconds`: as planned.

    Steps of one `kind` take alike times, steps of one `stage` are shown together.
    """

    id: Hashable
    stage: str
    kind: str
    needs: tuple[Hashable, ...] = ()
    seconds: float | None = None
    done: bool = False


@dataclass(frozen=True)
class Left:
    """Seconds until the last job ends; `at_least`: the time of some jobs is not known, nor counted."""

    seconds: float
    at_least: bool = False


@dataclass(frozen=True)
class Row:
    """A stage: its jobs, and how many of them are done, running and failed."""

    stage: str
    jobs: int
    done: int
    running: int
    failed: int


@dataclass(frozen=True)
class Running:
    """A job at work: what it says of itself, for how many seconds, and what it will take in all, if that is known."""

    label: str
    seconds: float
    expected: float | None


class Progress:
    """Where the jobs of one call are. `now`: seconds of any clock, the same one for all methods.

    `slots`: jobs at once; `keep_going`: a job that fails stops only those that need it.
    """

    def __init__(self, steps: Iterable[Step], slots: int, now: float, *, keep_going: bool = False):
        self.steps = {step.id: step for step in steps}
        self.slots, self.began, self.keep_going = max(1, slots), now, keep_going
        self.done = {step.id for step in self.steps.values() if step.done}
        self.n_before = len(self.done)
        self.failed: set[Hashable] = set()
        self._open = Counter(step.stage for step in self.steps.values() if not step.done)
        self._started: dict[Hashable, tuple[float, str, int]] = {}
        # of finished jobs, seconds taken and seconds planned, by kind, of those that were planned ...
        self._seen: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        # ... and seconds taken and number of jobs, by kind and by stage
        self._own: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._ratio = 1.0  # seconds taken to seconds planned, of all jobs

    def start(self, id: Hashable, now: float, label: str = "", together: int = 1) -> None:
        """A job begins, perhaps once more; `together`: jobs that are begun and ended as one, one after the other."""
        if id in self.steps:
            self.failed.discard(id)
            self._started[id] = (now, label, max(1, together))

    def finish(self, id: Hashable, now: float) -> bool:
        """A job has ended well. Whether it is the last one of its stage."""
        if id not in self.steps or id in self.done:
            return False
        began, _, together = self._started.pop(id, (now, "", 1))
        self.failed.discard(id)
        self.done.add(id)
        step, seconds = self.steps[id], max(0.0, now - began) / together
        for name in {step.kind, step.stage}:
            self._own[name] = [self._own[name][0] + seconds, self._own[name][1] + 1]
        if step.seconds:
            sums = self._seen[step.kind]
            self._seen[step.kind] = [sums[0] + seconds, sums[1] + step.seconds]
            whole, planned = (PRIOR + sum(sums[i] for sums in self._seen.values()) for i in (0, 1))
            self._ratio = whole / planned
        self._open[step.stage] -= 1
        return not self._open[step.stage]

    def fail(self, id: Hashable) -> None:
        """A job has failed; where it is begun again, `start` is called."""
        if id in self.steps and id not in self.done:
            self._started.pop(id, None)
            self.failed.add(id)

    def again(self, id: Hashable) -> None:
        """A job that failed waits to be begun again."""
        self.failed.discard(id)

    @property
    def is_over(self) -> bool:
        """Whether all is done."""
        return len(self.done) == len(self.steps)

    def rows(self) -> list[Row]:
        """A row a stage, in the order of the steps."""
        stages: dict[str, list[Hashable]] = defaultdict(list)
        for step in self.steps.values():
            stages[step.stage].append(step.id)
        return [
            Row(stage, len(ids), *(sum(id in some for id in ids) for some in (self.done, self._started, self.failed)))
            for stage, ids in stages.items()
        ]

    def running(self, now: float) -> list[Running]:
        """The jobs at work, the longest first."""
        began = sorted(self._started.items(), key=lambda one: one[1][0])
        return [
            Running(label or self.steps[id].stage, max(0.0, now - start), self._expected(self.steps[id]))
            for id, (start, label, _) in began
        ]

    def left(self, now: float) -> Left:
        """How long it will still take."""
        seconds, unknown = {}, False
        for id in self._left():
            expected = self._expected(self.steps[id])
            unknown = unknown or expected is None
            seconds[id] = expected or 0.0
            if id in self._started and expected is not None:
                began, _, together = self._started[id]
                took = max(0.0, now - began) / together
                seconds[id] = max(expected - took, OVERDUE * took)
        needs = {id: self.steps[id].needs for id in seconds}
        return Left(wall_clock(seconds, needs, self.slots), unknown)

    def _left(self) -> list[Hashable]:
        if self.failed and not self.keep_going:
            return list(self._started)
        lost, after = set(self.failed), defaultdict(list)
        for step in self.steps.values():
            for need in step.needs:
                after[need].append(step.id)
        ends = list(lost)
        while ends:
            new = [id for id in after[ends.pop()] if id not in lost]
            lost.update(new)
            ends += new
        return [id for id in self.steps if id not in self.done and id not in lost]

    def _expected(self, step: Step) -> float | None:
        """Seconds that a job takes in all: as planned, corrected by finished jobs, those of its kind above all."""
        if not step.seconds:
            own = next((self._own[name] for name in (step.kind, step.stage) if name in self._own), None)
            return own[0] / own[1] if own else step.seconds
        seconds, planned = self._seen.get(step.kind, (0.0, 0.0))
        return step.seconds * (seconds + step.seconds * self._ratio) / (planned + step.seconds)
