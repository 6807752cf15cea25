"""Gather the run records of a study in tables."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.report.entry_points:collect")
