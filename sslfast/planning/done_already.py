"""Which jobs of a study are done already: those whose results are there, made as the config and this code make them."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..study.depends import asked_by, code_of
from ..study.grid import Job
from ..study.study import Study

__all__ = ["done"]

TABLES = [f"{table}.{kind}" for table in ("cells", "history", "pretraining", "shorter") for kind in ("parquet", "csv")]


def done(jobs: Iterable[Job], study: Study, results: str | Path, reports: str | Path, fingerprint: str) -> set[str]:
    """Names of finished jobs: their results, and those of every job that they need, exist and fit config and code.

    `results` and `reports`: the study's folders; `fingerprint`: of its images. Snakemake also looks at dates and at
    what it noted itself, and may do more: a report that is to be of other prices, say, counts as done here.
    """
    results, reports, found, ask = Path(results), Path(reports), set(), asked_by(study)
    for job in jobs:
        if all(name in found for name in job.needs) and _is_there(job, study, results, reports, fingerprint, ask):
            found.add(job.name)
    return found


def _is_there(job: Job, study: Study, results: Path, reports: Path, fingerprint: str, ask: Callable) -> bool:
    if job.rule == "images":
        return (results / "images.json").exists()
    if job.rule == "split":
        return _good_split(results / job.path("split", dataset=study.dataset), job, study, fingerprint)
    if job.rule == "collect":
        return all((results / "tables" / name).exists() for name in TABLES)
    if job.rule == "examples":
        return (results / "examples.npz").exists()
    if job.rule == "report":
        return (reports / "report.html").exists() and (reports / "summary.md").exists()
    return all((results / job.path(kind)).exists() for kind in job.outputs) and _good_record(
        job, study, results, fingerprint, ask(job)
    )


def _good_split(path: Path, job: Job, study: Study, fingerprint: str) -> bool:
    try:
        about = json.loads(pq.read_schema(path).metadata[b"sslfast"])
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError):
        return False
    wanted = {"fingerprint": fingerprint, "seed": job.seed, "valid_fraction": study.valid_fraction}
    return all(about.get(name) == value for name, value in wanted.items())


def _good_record(job: Job, study: Study, results: Path, fingerprint: str, asked: Mapping) -> bool:
    try:
        record = json.loads((results / job.path("record")).read_text(encoding="utf-8"))
        own = record["settings"].get("own_code")
        made = {"sslfast": record["code_version"], **own} if own else record["code_version"]
        same = made == code_of(study, job) and record["spec"]["fingerprint"] == fingerprint
        return same and record["asked"] == asked
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return False
