"""The grid of a study: its boxes, what they are called, where their files lie, and which jobs there are.

Names and paths are made here and nowhere else. The workflow's rules take paths with Snakemake's wildcards (`pattern`),
everything else asks a `Box`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from itertools import product
from pathlib import Path

from .base_nets import base_of, encoders_of, is_net, learns
from .length import FULL, HALF, PASSES
from .names import PIXELS, RANDOM, SHUFFLED, SUPERVISED
from .shorter import Shorter, shorter_runs
from .stage_table import STAGES, evaluations
from .study import Study

__all__ = ["WILDCARDS", "Box", "Job", "jobs_of", "pattern", "shorter_jobs"]

# The parts of names, as regular expressions. `of` and `length` are empty for most boxes.
WILDCARDS = {
    "stage": "[a-z_]+",
    "method": "[a-z][a-z0-9_]*",
    "encoder": "[A-Za-z0-9_.]+",
    "u": "[0-9.]+",
    "l": "[0-9.]+",
    "of": "(-l[0-9.]+)?",
    "seed": "[0-9]+",
    "length": f"(-{HALF}|-{PASSES})?",
}
_NAMES = {  # by stage; of every other stage a box is a cell
    **dict.fromkeys(("images", "collect", "examples", "report"), ""),
    "split": "s{seed}",
    "pretrain": "{method}-{encoder}-u{u}{of}-s{seed}{length}",
    SUPERVISED: "{encoder}-l{l}-s{seed}{length}",
    PIXELS: "l{l}-s{seed}",
}
_CELL = "{method}-{encoder}-u{u}-l{l}-s{seed}{length}"
_METHODS = {SUPERVISED: SUPERVISED, PIXELS: PIXELS}  # of stages whose names hold no method
_FILES = {  # below the study's results
    "split": "splits/{dataset}-{name}.parquet",
    "encoder": "encoders/{name}.safetensors",
    "pictures": "pictures/{name}.npz",
    "record": "records/{stage}/{name}.json",
    "predictions": "records/{stage}/{name}.npy",
    "log": "logs/{folder}/{name}.log",
}


@dataclass(frozen=True)
class Box:
    """One box of the grid at one `stage`, which is also the folder of its record.

    Fractions are canonical text. `u` is None for the baseline, `l` for an encoder that serves all labelled fractions;
    what has no meaning at the stage is None. `length`: see `sslfast.study.length`.
    """

    stage: str
    method: str | None = None
    encoder: str | None = None
    u: str | None = None
    l: str | None = None  # noqa: E741 - the design's word
    seed: int | None = None
    length: str = FULL

    @classmethod
    def of(cls, stage: str, values: Mapping) -> "Box":
        """The box at `stage` with these `values`, from wildcards or a record's spec; what its name does not hold is
        ignored."""
        told = {key: value for key, value in values.items() if key in _fields(stage)}
        label = told.get("l") or told.pop("of", "").removeprefix("-l") or None
        length = told.get("length", "").removeprefix("-") or FULL
        known = {key: told[key] for key in ("encoder", "u") if key in told}
        seed = int(told["seed"]) if "seed" in told else None
        return cls(stage, told.get("method") or _METHODS.get(stage), **known, l=label, seed=seed, length=length)

    @classmethod
    def parse(cls, name: str) -> "Box":
        """The box called `name`; `ValueError` for any other text."""
        stage, _, rest = name.partition("/")
        if not re.fullmatch(WILDCARDS["stage"], stage) or not (match := _expression(stage).fullmatch(rest)):
            raise ValueError(f"{name!r} is no name of a run")
        return cls.of(stage, {key: value or "" for key, value in match.groupdict().items()})

    @classmethod
    def at(cls, path: str | Path) -> "Box | None":
        """The box whose record, or predictions, a study has at `path`; None for any other file."""
        path = Path(path)
        if path.parent.parent.name != "records" or path.suffix not in (".json", ".npy"):
            return None
        try:
            return cls.parse(f"{path.parent.name}/{path.stem}")
        except ValueError:
            return None

    @property
    def name(self) -> str:
        """What it is called: `classify/autoencoder-conv-u0.2-l0.1-s0`, `supervised/conv-l0.1-s0-half`, `split/s0`."""
        return f"{self.stage}/{self._own_name}" if self._own_name else self.stage

    @property
    def rule(self) -> str:
        """The rule of the workflow whose job it is."""
        if self.stage == "pretrain":
            return "shuffle" if (self.method or "").startswith(SHUFFLED) else "pretrain"
        return STAGES[self.stage].rule if self.stage in STAGES else self.stage

    @property
    def kind(self) -> str:
        """Jobs of one kind take the same time for each image that they process: `pretrain/autoencoder/conv`.

        For what is built over a library's net it includes the method, since each base net has an image size of its own.
        """
        name = "shuffle" if self.rule == "shuffle" else self.stage
        over = name == "shuffle" or self.rule == "classify"
        told = name == "pretrain" or (over and is_net(self.encoder or ""))
        method = (self.method or "").removeprefix(SHUFFLED)
        return "/".join([name, *[method] * told, *filter(None, [self.encoder])])

    @property
    def box(self) -> "Box":
        """The box alone, of a `Job`."""
        return Box(*(getattr(self, field.name) for field in fields(Box)))

    def path(self, kind: str, **known: str) -> str:
        """Where its file of a `kind` lies below the study's results (see `pattern`)."""
        return pattern(kind, self.stage, **known).format(**self._values)

    def made_from(self, pool: str) -> "Box":
        """The encoder that a cell stands on; an encoder of `pool` rest belongs to one labelled fraction.

        One that was not trained here, u = 0, is the same at every length.
        """
        label, length = (self.l if pool == "rest" else None, self.length) if self.u != "0" else (None, FULL)
        return Box("pretrain", self.method, self.encoder, self.u, label, self.seed, length)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The kinds of files that its job leaves."""
        if self.stage == "pretrain":
            return ("encoder", "record") if self.rule == "shuffle" else ("encoder", "record", "pictures")
        return ("split",) if self.stage == "split" else ("record", "predictions") if _own(self.stage) else ()

    @property
    def _own_name(self) -> str:
        return _own(self.stage).format(**self._values)

    @property
    def _values(self) -> dict[str, object]:
        """What stands in its name, by wildcard."""
        of, length = f"-l{self.l}" if self.l else "", "" if self.length == FULL else f"-{self.length}"
        return {
            "method": self.method, "encoder": self.encoder, "u": self.u, "l": self.l, "seed": self.seed,
            "of": of, "length": length,
        }  # fmt: skip


def pattern(kind: str, stage: str, **known: str) -> str:
    """The path of a `kind` of file, below a study's results, with wildcards for what is not `known`.

    `kind`: `split`, `encoder`, `pictures`, `record`, `predictions` or `log`. With the text `{stage}` as `stage`, it is
    the path of a cell of any stage. `folder`: of a log that does not lie in the stage's.
    """
    found = _path(kind, stage)
    for name, value in {"folder": stage, **known}.items():
        found = found.replace(f"{{{name}}}", value)
    return found


@cache
def _path(kind: str, stage: str) -> str:
    name = f"{{dataset}}-{_own(stage)}" if (kind, stage) == ("log", "split") else _own(stage)
    return _FILES[kind].replace("{stage}", stage).replace("{name}", name)


def _own(stage: str) -> str:
    return _NAMES.get(stage, _CELL)


@cache
def _fields(stage: str) -> tuple[str, ...]:
    found = tuple(re.findall(r"\{(\w+)\}", _own(stage)))
    return (*found, "l") if "of" in found else found


@cache
def _expression(stage: str) -> re.Pattern:
    named = {key: f"(?P<{key}>{regex})" for key, regex in WILDCARDS.items()}
    return re.compile(_own(stage).format(**named))


@dataclass(frozen=True)
class Job(Box):
    """A box, and what its job `needs`: the names of the jobs before it."""

    needs: tuple[str, ...] = ()


def jobs_of(study: Study) -> list[Job]:
    """Every job of `study`, each after those that it needs."""
    seeds, labelled, pool = study.seeds, study.labelled, study.pool
    jobs = [Job("images")]
    jobs += [Job("split", seed=seed, needs=("images",)) for seed in seeds]
    encoders = list(_encoders(study))
    made = {job.box: job.name for job in encoders}
    cells = []
    ways = dict.fromkeys((job.method, job.encoder, job.u) for job in encoders)
    for evaluation, (method, encoder, u), label, seed in product(study.evaluate, ways, labelled, seeds):
        if method not in study.evaluate_only.get(evaluation, [method]):
            continue
        box = Box(evaluations()[evaluation].name, method, encoder, u, label, seed)
        cells.append(_job(box, _split(seed), made[box.made_from(pool)]))
    for encoder, label, seed in product(study.encoders, labelled, seeds):
        cells.append(_job(Box(SUPERVISED, SUPERVISED, encoder, None, label, seed), _split(seed)))
    if "pixels" in study.controls:
        cells += [
            _job(Box(PIXELS, PIXELS, l=label, seed=seed), _split(seed)) for label, seed in product(labelled, seeds)
        ]
    shorter = shorter_jobs(study)
    jobs += encoders + cells + shorter
    jobs.append(Job("collect", needs=tuple(job.name for job in encoders + cells + shorter)))
    jobs.append(Job("examples", needs=("collect",)))
    jobs.append(Job("report", needs=("collect", "examples")))
    return jobs


def _job(box: Box, *needs: str) -> Job:
    return Job(**vars(box), needs=needs)


def _split(seed: int | None) -> str:
    return f"split/s{seed}"


def _encoders(study: Study) -> Iterator[Job]:
    """Pre-training, random encoders first, base nets, what learns from images, then the shuffled controls."""
    seeds, of = study.seeds, study.labelled if study.pool == "rest" else [None]
    pairs = list(product(study.encoders, study.unlabelled))
    for (encoder, u), seed in product(pairs, seeds):
        if u == "0":
            yield _job(Box("pretrain", RANDOM, encoder, u, None, seed), _split(seed))
    on_nets = _on_nets(study, study.methods)
    nets = [(name, net) for name, net in on_nets if not learns(study, name)]
    learned = [Box("pretrain", method, net, "0", None, seed) for (method, net), seed in product(nets, seeds)]
    crossed = _crossed(study)
    ways = [(m, encoder, u) for encoder, u in pairs if u != "0" for m, its in crossed.items() if encoder in its]
    going_on = [(name, net) for name, net in on_nets if learns(study, name)]
    ways += [(method, net, u) for method, net in going_on for u in study.unlabelled if u != "0"]
    learned += [
        Box("pretrain", m, encoder, u, label, seed) for (m, encoder, u), label, seed in product(ways, of, seeds)
    ]
    yield from (_job(box, _split(box.seed)) for box in learned)
    if "shuffled" in study.controls:
        for box in learned:
            control = Box("pretrain", f"{SHUFFLED}{box.method}", box.encoder, box.u, box.l, box.seed)
            yield _job(control, _split(box.seed), box.name)


def _crossed(study: Study) -> dict[str, tuple[str, ...]]:
    """The methods that start from nothing, each with those encoders of the study that it can train."""
    return {name: encoders_of(study, name) for name in study.methods if base_of(study, name) is None}


def _on_nets(study: Study, methods: Iterable[str]) -> list[tuple[str, str]]:
    """Those of `methods` that are a base net or go on from one, each with that net."""
    return [(name, encoders_of(study, name)[0]) for name in methods if base_of(study, name) is not None]


def shorter_jobs(study: Study) -> list[Job]:
    """The shorter runs that check the verdict: encoders, what is built over them, and baselines."""
    plan = shorter_runs(study)
    return list(_shorter(study, plan)) if plan else []


def _shorter(study: Study, plan: Shorter) -> Iterator[Job]:
    learned = [(plan.most, HALF, label) for label in plan.labelled if plan.most]
    learned += [(u, PASSES, plan.fewest) for u in plan.fewer]
    frozen = [("0", HALF, label) for label in plan.labelled]
    judged, seen = evaluations()[plan.evaluation], set()

    def cells(method: str, encoder: str, seed: int) -> Iterator[Job]:
        for u, length, label in learned if learns(study, method) else frozen:
            cell = Box(judged.name, method, encoder, u, label, seed, length)
            made = cell.made_from(study.pool)
            if made.length != FULL and made not in seen:
                seen.add(made)
                yield _job(made, _split(seed))
            yield _job(cell, _split(seed), made.name)

    for seed, encoder in product(plan.seeds, study.encoders):
        for method, its in _crossed(study).items():
            if encoder in its and method in plan.methods:
                yield from cells(method, encoder, seed)
        for label in plan.labelled:
            yield _job(Box(SUPERVISED, SUPERVISED, encoder, None, label, seed, HALF), _split(seed))
    for seed, (method, encoder) in product(plan.seeds, _on_nets(study, plan.methods)):
        yield from cells(method, encoder, seed)
