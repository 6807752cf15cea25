"""What a job of a study depends on: what its config asks of it, and code. One answer, for all who want to know.

Snakemake reruns a job when it changes, a record stores it, tables hold its digest, and a plan counts a job as done if
its record says the same. What the images are is told beside it: folders by their content
(`sslfast.data.sources.content_of`), records by the fingerprint.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from .config import evaluation_settings, method_settings
from .datasets import FILE_KEYS, image_keys
from .grid import Box, jobs_of
from .length import FULL
from .methods import methods
from .names import BASE, SHUFFLED
from .own import own_code
from .shorter import share_of
from .stages import STAGES
from .version import code_version

__all__ = ["asked_by", "asked_of", "code_of", "digest_of_asked", "flat", "job_settings"]

# What tables, pictures and report depend on beside the runs: another price makes another report, and trains nothing.
_SHOWN = {
    "collect": (),
    "examples": ("judged_by",),
    "report": ("title", "threshold", "accuracy_targets", "delta", "prices", "judged_by", "check_length"),
}


def asked_of(config: Mapping, box: Box) -> dict:
    """What a checked `config` asks of the job of `box`, by key of the config as a person writes it: `classify.lr`.

    Of a cell its encoder's keys, too: where that job failed, its change must not be forgotten. `share`, of the study's
    length, for a run of less; `jobs`, a digest of what all runs of the study are asked, for what is made of them. Not
    in it: which box it is, where images lie, the machine, and the name of the study.
    """
    return _asked(config, box, lambda: _runs(config))


def asked_by(config: Mapping) -> Callable[[Box], dict]:
    """`asked_of` for many boxes of one config: those that differ in labels and seed alone share what it gives."""
    runs = cache(lambda: _runs(config))  # every job of the study goes into it
    shared = cache(lambda box: _asked(config, box, runs))
    return lambda box: shared(Box(box.stage, box.method, box.encoder, box.u, length=box.length))


def _asked(config: Mapping, box: Box, runs: Callable[[], str]) -> dict:
    if box.stage in _SHOWN:
        return {"jobs": runs(), **dict(flat({key: config[key] for key in _SHOWN[box.stage]}, joint="."))}
    keys = ["dataset", *image_keys(config["dataset"])]
    if config["unlabelled_from"]:
        keys += [key for key in FILE_KEYS if key not in keys]
    if box.stage != "images":
        keys.append("valid_fraction")
    if box.stage not in STAGES:
        return {key: config[key] for key in keys}
    keys += ["budget", "precision", "batch_size", "augment"]
    asked = {key: config[key] for key in keys}
    if box.u is not None:
        asked |= {"pool": config["pool"], **_of_method(config, box)}
    if box.stage != "pretrain" and (section := STAGES[box.stage].section):
        asked[section] = config.get(section, {})
    if box.length != FULL:
        asked["share"] = share_of(box.length, "pretrain", box.u, config["unlabelled"][-1])
    return dict(flat(asked, joint="."))


def job_settings(config: Mapping, box: Box) -> dict:
    """How the job of `box` trains or evaluates, its `options` apart, and the `share` of the study's length."""
    if box.stage == "pretrain":
        own = method_settings(config, box.method or "")
    else:
        own = evaluation_settings(config, box.stage)
    return {**own, "share": share_of(box.length, box.stage, box.u, config["unlabelled"][-1])}


def code_of(config: Mapping, box: Box) -> str | dict[str, str]:
    """A digest of the code of the job's stage, its encoder class, and the method that trained the encoder.

    Where code of a person's own is used, a map that holds the digests of that, too, by name. `config`: a checked one.
    """
    made = code_version(box.stage, _method(config, box), box.encoder)
    own = own_code(config, box.encoder, box.method)
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


def _of_method(config: Mapping, box: Box) -> dict:
    """The section of the config that says how the encoder is made; a random one has none."""
    name = (box.method or "").removeprefix(SHUFFLED)
    if name in config["variants"]:
        key, made = f"variants.{name}", config["variants"][name]
    elif name in (*methods(), BASE):
        key, made = name, config[name]
    else:
        return {}
    return {key: {entry: value for entry, value in made.items() if entry != "on_missing"}}  # leaves arms out, no more


def _method(config: Mapping, box: Box) -> str | None:
    """The method's name (of a variant, its base method); None if the job uses no pre-trained encoder."""
    return method_settings(config, box.method).get("method") if box.u and box.method else None


def _runs(config: Mapping) -> str:
    """A digest of what all runs of the study are asked, and of their code. Which boxes there are, files tell."""
    kinds = {(job.stage, job.method, job.encoder, job.u, job.length): job for job in jobs_of(config)}
    runs = [job for job in kinds.values() if job.stage in STAGES]
    return digest_of_asked([[asked_of(config, job), code_of(config, job)] for job in runs])
