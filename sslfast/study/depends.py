"""What a job of a study depends on: the settings that its config gives it, and code. Decided here for all who ask.

Snakemake reruns a job when they change, its record stores them, tables hold their digest, and a plan counts a job as
done if its record has the same. Images are not among them: Snakemake gets a digest of folders
(`sslfast.data.sources.content_of`), and records hold a fingerprint.
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
from .stage_table import STAGES
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

# Keys that tables, pictures and report depend on beside the runs: a new price makes a new report, and trains nothing.
_SHOWN = {
    "collect": (),
    "examples": ("judged_by",),
    "report": ("title", "threshold", "accuracy_targets", "delta", "prices", "judged_by", "check_length"),
}


def asked_of(study: Study, box: Box) -> dict:
    """The settings of `study` that the job of `box` depends on, by key of the config as a person writes it:
    `classify.lr`.

    A cell's include its encoder's: should that encoder's job fail, the cell still shows that they changed. Two entries
    are no keys of a config: `share`, of the study's length, for a shorter run; and `jobs`, a digest of the settings of
    all runs, for what is made of them (tables, pictures, report). Not included: which box it is, where images lie, the
    machine, and the study's name.
    """
    return _asked(study, box, lambda: _runs(study))


def asked_by(study: Study) -> Callable[[Box], dict]:
    """`asked_of` for many boxes of one study; boxes that differ only in labels and seed get the same dict."""
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
    """How the job of `box` trains or evaluates, with its method's own settings as `options`, and its `share` of the
    length."""
    made = box.stage == "pretrain"
    own = method_settings(study, box.method or "") if made else evaluation_settings(study, box.stage)
    return {**own, "share": share_of(box.length, box.stage, box.u, study.unlabelled[-1])}


def method_settings(study: Study, name: str) -> dict:
    """How encoders of `name`, a method or a variant, are made: `method`, epochs, lr, …, and the rest as `options`.

    The control `random` has no settings; a shuffled encoder has those of its method. A base net has `options` only, in
    the form in which they are also the `start` of a method that goes on from it.
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

    Where a person's own code is used, a map: the digest of `sslfast`, and those of that code by name.
    """
    made = code_version(box.stage, _method(study, box), box.encoder)
    own = own_code(study, box.encoder, box.method)
    return {"sslfast": made, **own} if own else made


def digest_of_asked(asked: object) -> str:
    """16 hexadecimal digits; those of two `asked_of` are the same only if the two are equal."""
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
    return {key: {entry: value for entry, value in made.items() if entry != "on_missing"}}  # trains nothing else


def _method(study: Study, box: Box) -> str | None:
    """The method's name (of a variant, its base method); None if the job uses no pre-trained encoder."""
    return method_settings(study, box.method).get("method") if box.u and box.method else None


def _runs(study: Study) -> str:
    """A digest of the settings and the code of all runs. Which boxes there are is not in it: their files tell."""
    kinds = {(job.stage, job.method, job.encoder, job.u, job.length): job for job in jobs_of(study)}
    runs = [job for job in kinds.values() if job.stage in STAGES]
    return digest_of_asked([[asked_of(study, job), code_of(study, job)] for job in runs])
