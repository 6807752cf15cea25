"""Gather the run records of a study in two tables."""

from pathlib import Path

from sslfast.jobs import job

with job(snakemake.log[0]):
    from sslfast.analysis.tables import collect, write_tables

    cells, history = collect(snakemake.input)
    write_tables({"cells": cells, "history": history}, [Path(snakemake.output[0]).parent])
