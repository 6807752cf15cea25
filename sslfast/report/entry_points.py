"""What the scripts of the rules `collect` and `report` call: one function per rule, with a `RunningJob` as argument."""

from pathlib import Path

from ..analysis.against_config import check_against_config
from ..analysis.image_summary import read_summary
from ..analysis.planned import read_plan
from ..analysis.table_files import read_table
from ..analysis.tables import collect as collect_cells
from ..analysis.tables import collect_pretraining, collect_shorter, write_tables
from ..files import verify
from ..runtime.jobs import RunningJob
from ..study.examples import read_examples
from ..study.shorter import why_not
from .page import write_report

__all__ = ["collect", "report"]


def collect(job: RunningJob) -> None:
    """Gather the run records of a study in tables."""
    cells, history = collect_cells(job.input.records)
    images = read_summary(job.input.images)
    tables = Path(job.output[0]).parent
    shorter = collect_shorter(job.input.records)
    check_against_config(cells, images, job.study, tables.parent, shorter)
    pretraining = collect_pretraining(job.input.pretrained)
    read = [*job.input.records, *job.input.pretrained]
    if older := sum(not verify(path) for path in read):
        print(f"{older} of {len(read)} records are older than checksums: not checked for changed bits")
    found = {"cells": cells, "history": history, "pretraining": pretraining, "shorter": shorter}
    write_tables(found, [tables])


def report(job: RunningJob) -> None:
    """Turn the study's tables into its report."""
    cells, history, shorter = (read_table(job.input.get(name)) for name in ("cells", "history", "shorter"))
    images = read_summary(job.input.images)
    check_against_config(cells, images, job.study, Path(job.input.cells).parents[1], shorter)
    examples = read_examples(job.input.examples)
    # no input: a study that was not planned is reported all the same, and a plan made later changes no report
    plan = read_plan(Path(job.input.images).with_name("plan.json"), job.study)
    image_noise = read_table(job.input.image_noise)
    write_report(
        cells, history, job.study, Path(job.output.page).parent, images, examples, plan,
        shorter, why_not(job.study), image_noise,
    )  # fmt: skip
