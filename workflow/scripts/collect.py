"""Gather the run records of a study in two tables."""

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.image_summary import read_summary
from sslfast.analysis.one_study import check_one_study
from sslfast.analysis.tables import collect, collect_pretraining, collect_shorter, write_tables

with job(snakemake):
    cells, history = collect(snakemake.input.records)
    images = read_summary(snakemake.input.images)
    tables = Path(snakemake.output[0]).parent
    shorter = collect_shorter(snakemake.input.records)
    check_one_study(cells, images, snakemake.config, tables.parent, shorter)
    pretraining = collect_pretraining(snakemake.input.pretrained)
    found = {"cells": cells, "history": history, "pretraining": pretraining, "shorter": shorter}
    write_tables(found, [tables])
