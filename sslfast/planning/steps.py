"""The jobs of a call of Snakemake as steps of its progress."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from ..study.grid import Box
from ..study.stage_table import RULES, STAGES
from .progress import Step

__all__ = ["Asked", "steps_of"]


@dataclass(frozen=True)
class Asked:
    """A job as Snakemake knows it. `needs`: ids of those before it; `done`: nothing is to be done for it."""

    id: Hashable
    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    output: Collection[str] = ()
    needs: tuple[Hashable, ...] = ()
    done: bool = False


def steps_of(jobs: Iterable[Asked], plan: Mapping | None) -> list[Step]:
    """A step a job, in the order of a study, with the seconds of `plan` (see `make_plan`) where it has them."""
    estimates = plan["estimates"] if plan else {}
    order = {rule: place for place, rule in enumerate(RULES)}
    steps = []
    for job in sorted(jobs, key=lambda job: order.get(job.rule, len(order))):
        box = _box(job)
        stage = STAGES[box.stage].evaluate if job.rule == "classify" else job.rule
        steps.append(Step(job.id, stage, box.kind, job.needs, estimates.get(box.name, (None,))[0], job.done))
    return steps


def _box(job: Asked) -> Box:
    recorded = next((box for path in job.output if (box := Box.at(path))), None)
    return recorded or Box(job.rule, seed=int(job.wildcards["seed"]) if "seed" in job.wildcards else None)
