"""What a job of a study depends on: what its config asks of it, and code. One answer, for all who want to know.

Snakemake reruns a job when it changes, a record stores it, tables hold its digest, and a plan counts a job as done if
its record says the same. What the images are is told beside it: folders by their content
(`sslfast.data.sources.content_of`), records by the fingerprint.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from .base_nets import base_of
from .datasets import FILE_KEYS, image_keys
from .grid import Box, jobs_of
from .length import FULL
from .methods import methods
from .names import BASE, RANDOM, SHUFFLED
from .own import own_code
from .shorter import share_of
from .stages import STAGES
from .study import Study
from .version import code_version

__all__ = [
    "asked_by",
    "asked_of",
    "code_of",
    "digest_of_asked",
    "evaluation_settings",
    "flat",
    "job_settings",
    "method_settings",
]

# What tables, pictures and report depend on beside the runs: another price makes another report, and trains nothing.
_SHOWN = {
    "collect": (),
    "examples": ("judged_by",),
    "report": ("title", "threshold", "accuracy_targets", "delta", "prices", "judged_by", "check_length"),
}


def asked_of(study: Study, box: Box) -> dict:
    """What `study` asks of the job of `box`, by key of the config as a person writes it: `classify.lr`.

    Of a cell its encoder's keys, too: where that job failed, its change must not be forgotten. `share`, of the study's
    length, for a run of less; `jobs`, a digest of what all runs of the study are asked, for what is made of them. Not
    in it: which box it is, where images lie, the machine, and the name of the study.
    """
    return _asked(study, box, lambda: _runs(study))


def asked_by(study: Study) -> Callable[[Box], dict]:
    """`asked_of` for many boxes of one study: those that differ in labels and seed alone share what it gives."""
    runs = cache(lambda: _runs(study))  # every job of the study goes into it
    shared = cache(lambda box: _asked(study, box, runs))
    return lambda box: shared(Box(box.stage, box.method, box.encoder, box.u, length=box.length))


def _asked(study: Study, box: Box, runs: Callable[[], str]) -> dict:
    if box.stage in _SHOWN:
        return {"jobs": runs(), **dict(flat(study.values(_SHOWN[box.stage]), joint="."))}
    keys = ["dataset", *image_keys(study.dataset)]
    if study.unlabelled_from:
        keys += [key for key in FILE_KEYS if key not in keys]
    if box.stage != "images":
        keys.append("valid_fraction")
    if box.stage not in STAGES:
        return study.values(keys)
    keys += ["budget", "precision", "batch_size", "augment"]
    asked = study.values(keys)
    if box.u is not None:
        asked |= {"pool": study.pool, **_of_method(study, box)}
    if box.stage != "pretrain" and (section := STAGES[box.stage].section):
        asked[section] = study.section(section)
    if box.length != FULL:
        asked["share"] = share_of(box.length, "pretrain", box.u, study.unlabelled[-1])
    return dict(flat(asked, joint="."))


def job_settings(study: Study, box: Box) -> dict:
    """How the job of `box` trains or evaluates, its `options` apart, and the `share` of the study's length."""
    made = box.stage == "pretrain"
    own = method_settings(study, box.method or "") if made else evaluation_settings(study, box.stage)
    return {**own, "share": share_of(box.length, box.stage, box.u, study.unlabelled[-1])}


def method_settings(study: Study, name: str) -> dict:
    """How encoders called `name` are made, a method or a variant: `method`, epochs, lr, …, and its `options`.

    The control `random` has none; a shuffled encoder's are those of its method. A base net has `options` only, which
    are also the `start` of a method that goes on from one.
    """
    name = name.removeprefix(SHUFFLED)
    if name == RANDOM:
        return {}
    given = dict(study.variants.get(name) or {"method": name, **study.section(name)})
    if given["method"] == BASE:
        return {"method": BASE, "options": base_of(study, name)}
    training = {key: given.pop(key) for key in ("method", study.budget, "lr", "schedule", "wd", "batch_size")}
    training |= {key: given.pop(key) for key in ("start",) if key in given}
    return {**training, "options": given}


def evaluation_settings(study: Study, stage: str) -> dict:
    """How an evaluation's `stage` (as records name it: `classify`, `linear`, …) is done."""
    own = study.section(STAGES[stage].section)
    return dict(own) if STAGES[stage].trains else {"options": own}


def code_of(study: Study, box: Box) -> str | dict[str, str]:
    """A digest of the code of the job's stage, its encoder class, and the method that trained the encoder.

    Where code of a person's own is used, a map that holds the digests of that, too, by name.
    """
    made = code_version(box.stage, _method(study, box), box.encoder)
    own = own_code(study, box.encoder, box.method)
    return {"sslfast": made, **own} if own else made


def digest_of_asked(asked: object) -> str:
    """16 hexadecimal digits that are those of another `asked_of` only if that is equal."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def flat(settings: Mapping, above: str = "", joint: str = "_") -> Iterator[tuple[str, object]]:
    """Entries of maps within maps by joined names: `{"a": {"b": 1}}` has `("a_b", 1)`."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}{joint}", joint)
        else:
            yield f"{above}{name}", value


def _of_method(study: Study, box: Box) -> dict:
    """The section of the config that says how the encoder is made; a random one has none."""
    name = (box.method or "").removeprefix(SHUFFLED)
    if name in study.variants:
        key, made = f"variants.{name}", study.variants[name]
    elif name in (*methods(), BASE):
        key, made = name, study.section(name)
    else:
        return {}
    return {key: {entry: value for entry, value in made.items() if entry != "on_missing"}}  # leaves arms out, no more


def _method(study: Study, box: Box) -> str | None:
    """The method's name (of a variant, its base method); None if the job uses no pre-trained encoder."""
    return method_settings(study, box.method).get("method") if box.u and box.method else None


def _runs(study: Study) -> str:
    """A digest of what all runs of the study are asked, and of their code. Which boxes there are, files tell."""
    kinds = {(job.stage, job.method, job.encoder, job.u, job.length): job for job in jobs_of(study)}
    runs = [job for job in kinds.values() if job.stage in STAGES]
    return digest_of_asked([[asked_of(study, job), code_of(study, job)] for job in runs])
