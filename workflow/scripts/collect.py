"""Gather the run records of a study in two tables."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.image_summary import read_summary
from sslfast.analysis.one_study import check_one_study
from sslfast.analysis.tables import collect, collect_pretraining, write_tables

with job(snakemake):
    cells, history = collect(snakemake.input.records)
    images = read_summary(snakemake.input.images)
    tables = Path(snakemake.output[0]).parent
    check_one_study(cells, images, snakemake.config, tables.parent)
    pretraining = collect_pretraining(snakemake.input.pretrained)
    write_tables({"cells": cells, "history": history, "pretraining": pretraining}, [tables])
