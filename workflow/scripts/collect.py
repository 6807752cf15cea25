"""Gather the run records of a study in two tables."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.tables import collect, write_tables

with job(snakemake):
    cells, history = collect(snakemake.input)
    write_tables({"cells": cells, "history": history}, [Path(snakemake.output[0]).parent])
