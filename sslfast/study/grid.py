"""The jobs of a study, from its config alone: what `workflow/rules/common.smk` makes of it, without Snakemake.

`tests/workflow/test_plan.py` compares the numbers with real dry runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from .length import FULL, HALF, PASSES
from .names import PIXELS, RANDOM, SHUFFLED, SUPERVISED
from .shorter import Shorter, share_of, shorter_runs
from .stages import evaluations

__all__ = ["Job", "jobs_of", "shorter_jobs"]


@dataclass(frozen=True)
class Job:
    """One job: what Snakemake calls its `rule`, what its record calls its `stage`, and which box of the grid it is.

    `name` is that of its record (`classify/autoencoder-conv-u0.2-l0.1-s0`), or the rule's where it leaves none;
    `needs` names the jobs before it. `u` is None for the baseline, `l` for an encoder that serves all of them.
    `share`: of the length that the study trains for.
    """

    rule: str
    stage: str
    name: str
    needs: tuple[str, ...] = ()
    method: str | None = None
    encoder: str | None = None
    u: str | None = None
    l: str | None = None  # noqa: E741 - the design's word
    seed: int | None = None
    share: float = 1.0

    @property
    def kind(self) -> str:
        """Jobs of one kind take times in proportion to the images they process: `pretrain/autoencoder/conv`."""
        if self.rule == "shuffle":
            return f"shuffle/{self.encoder}"
        if self.stage == "pretrain":
            return f"pretrain/{self.method}/{self.encoder}"
        return f"{self.stage}/{self.encoder}" if self.encoder else self.stage


def jobs_of(config: Mapping) -> list[Job]:
    """Every job of the study that `config`, a checked one, describes, each after those that it needs."""
    seeds, labelled = config["seeds"], config["labelled"]
    jobs = [Job("images", "images", "images")]
    jobs += [Job("split", "split", f"split/s{seed}", ("images",), seed=seed) for seed in seeds]
    encoders = list(_encoders(config))
    jobs += encoders
    made = {(job.method, job.encoder, job.u, job.l, job.seed): job.name for job in encoders}
    cells = []
    for evaluation, label, seed in product(config["evaluate"], labelled, seeds):
        stage = evaluations()[evaluation].name
        for method, encoder, u in dict.fromkeys((job.method, job.encoder, job.u) for job in encoders):
            needs = made.get((method, encoder, u, None, seed)) or made[method, encoder, u, label, seed]
            name = f"{stage}/{method}-{encoder}-u{u}-l{label}-s{seed}"
            cells.append(Job("classify", stage, name, (f"split/s{seed}", needs), method, encoder, u, label, seed))
    for label, seed in product(labelled, seeds):
        before = (f"split/s{seed}",)
        for encoder in config["encoders"]:
            name = f"{SUPERVISED}/{encoder}-l{label}-s{seed}"
            cells.append(Job(SUPERVISED, SUPERVISED, name, before, SUPERVISED, encoder, None, label, seed))
        if "pixels" in config["controls"]:
            cells.append(Job(PIXELS, PIXELS, f"{PIXELS}/l{label}-s{seed}", before, PIXELS, None, None, label, seed))
    shorter = shorter_jobs(config)
    jobs += cells + shorter
    jobs.append(Job("collect", "collect", "collect", tuple(job.name for job in encoders + cells + shorter)))
    jobs.append(Job("examples", "examples", "examples", ("collect",)))
    jobs.append(Job("report", "report", "report", ("collect", "examples")))
    return jobs


def _encoders(config: Mapping) -> Iterator[Job]:
    """Pre-training, then the shuffled controls; an encoder of pool `rest` belongs to one labelled fraction."""
    of = config["labelled"] if config["pool"] == "rest" else [None]
    learned = []
    for encoder, u, seed in product(config["encoders"], config["unlabelled"], config["seeds"]):
        for method in config["methods"] if u != "0" else [RANDOM]:
            for label in of if u != "0" else [None]:
                job = _encoder("pretrain", method, encoder, u, label, seed, (f"split/s{seed}",))
                learned += [job] if u != "0" else []
                yield job
    if "shuffled" in config["controls"]:
        for job in learned:
            before = (f"split/s{job.seed}", job.name)
            yield _encoder("shuffle", f"{SHUFFLED}{job.method}", job.encoder, job.u, job.l, job.seed, before)


def shorter_jobs(config: Mapping) -> list[Job]:
    """What is trained for less long, to check the verdict: encoders, what is built over them, baselines."""
    plan = shorter_runs(config)
    return list(_shorter(config, plan)) if plan else []


def _shorter(config: Mapping, plan: Shorter) -> Iterator[Job]:
    runs = [(plan.most, HALF, label) for label in plan.labelled] + [(u, PASSES, plan.fewest) for u in plan.fewer]
    stage = evaluations()[plan.evaluation].name
    made = {}
    for seed, encoder in product(plan.seeds, config["encoders"]):
        split = f"split/s{seed}"
        for method, (u, length, label) in product(config["methods"], runs):
            of = label if config["pool"] == "rest" else None
            share = share_of(length, "pretrain", u, plan.most)
            job = _encoder("pretrain", method, encoder, u, of, seed, (split,), length, share)
            if job.name not in made:
                made[job.name] = job
                yield job
            name, needs = f"{stage}/{method}-{encoder}-u{u}-l{label}-s{seed}-{length}", (split, job.name)
            share = share_of(length, stage, u, plan.most)
            yield Job("classify", stage, name, needs, method, encoder, u, label, seed, share)
        for label in plan.labelled:
            name, share = f"{SUPERVISED}/{encoder}-l{label}-s{seed}-{HALF}", share_of(HALF, SUPERVISED, None, plan.most)
            yield Job(SUPERVISED, SUPERVISED, name, (split,), SUPERVISED, encoder, None, label, seed, share)


def _encoder(rule, method, encoder, u, l, seed, needs, length=FULL, share=1.0) -> Job:  # noqa: E741
    name = f"pretrain/{method}-{encoder}-u{u}{f'-l{l}' if l else ''}-s{seed}{'' if length == FULL else f'-{length}'}"
    return Job(rule, "pretrain", name, needs, method, encoder, u, l, seed, share)
