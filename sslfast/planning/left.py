"""Which jobs of a study are done already: those whose results are there, made as the config and this code make them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..study.config import evaluation_settings, method_settings
from ..study.depends import code_of
from ..study.grid import Job
from ..study.length import length_of
from ..study.names import PIXELS

__all__ = ["done"]

TABLES = [f"{table}.{kind}" for table in ("cells", "history", "pretraining", "shorter") for kind in ("parquet", "csv")]


def done(jobs: Iterable[Job], config: Mapping, results: str | Path, reports: str | Path, fingerprint: str) -> set[str]:
    """Names of finished jobs: their results, and those of every job that they need, exist and fit config and code.

    `results` and `reports`: the study's folders; `fingerprint`: of its images. Snakemake also looks at dates and at
    what it noted itself, and may do more: a report that is to be of other prices, say, counts as done here.
    """
    results, reports, found = Path(results), Path(reports), set()
    for job in jobs:
        if all(name in found for name in job.needs) and _is_there(job, config, results, reports, fingerprint):
            found.add(job.name)
    return found


def _is_there(job: Job, config: Mapping, results: Path, reports: Path, fingerprint: str) -> bool:
    if job.rule == "images":
        return (results / "images.json").exists()
    if job.rule == "split":
        return _good_split(results / job.path("split", dataset=config["dataset"]), job, config, fingerprint)
    if job.rule == "collect":
        return all((results / "tables" / name).exists() for name in TABLES)
    if job.rule == "examples":
        return (results / "examples.npz").exists()
    if job.rule == "report":
        return (reports / "report.html").exists() and (reports / "summary.md").exists()
    return all((results / job.path(kind)).exists() for kind in job.outputs) and _good_record(
        job, config, results, fingerprint
    )


def _good_split(path: Path, job: Job, config: Mapping, fingerprint: str) -> bool:
    try:
        about = json.loads(pq.read_schema(path).metadata[b"sslfast"])
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError):
        return False
    wanted = {"fingerprint": fingerprint, "seed": job.seed, "valid_fraction": config["valid_fraction"]}
    return all(about.get(name) == value for name, value in wanted.items())


def _good_record(job: Job, config: Mapping, results: Path, fingerprint: str) -> bool:
    try:
        record = json.loads((results / job.path("record")).read_text(encoding="utf-8"))
        spec, settings = record["spec"], record["settings"]
        own = settings.get("own_code")
        made = {"sslfast": record["code_version"], **own} if own else record["code_version"]
        same = made == code_of(config, job) and spec["fingerprint"] == fingerprint
        same = same and spec["valid_fraction"] == config["valid_fraction"]
        if config["precision"] != "auto":
            same = same and record["precision"] == config["precision"]
        return same and all(_alike(settings.get(name), value) for name, value in _settings(job, config).items())
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return False


def _settings(job: Job, config: Mapping) -> dict:
    """What the record of `job` says that it was made with, as far as the config alone tells."""
    unit = config["budget"]
    shared = {"budget": unit, "augment": config["augment"]}
    if job.stage == "pretrain" and job.u == "0":  # nothing trains it
        about = method_settings(config, job.method)
        return {**shared, **{name: about[name] for name in ("method", "options") if name in about}}
    if job.stage == "pretrain":
        return {**shared, **_length(method_settings(config, job.method), unit, job)}
    shared["batch_size"] = config["batch_size"]
    if job.stage == PIXELS:
        return shared
    own = _length(evaluation_settings(config, job.stage), unit, job)
    # what `views: auto` means is known later
    return {**shared, **{name: value for name, value in own.items() if value != "auto"}}


def _length(settings: Mapping, unit: str, job: Job) -> dict:
    """`settings` with the length that `job` has; what `auto` or `2x` mean depends on the images."""
    if unit not in settings or isinstance(settings[unit], str):
        return {name: value for name, value in settings.items() if name != unit}
    share = {"share": job.share}
    return {**settings, unit: length_of(job.stage, {**settings, **share}, unit, 1, 1).amount}


def _alike(found: object, wanted: object) -> bool:
    """Of maps, entries that are wanted count: others are defaults of the data set."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_alike(found.get(key), value) for key, value in wanted.items())
    return found == wanted
