"""Logistic regression on raw pixels; write its test predictions and record."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:pixels")
