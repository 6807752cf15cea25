"""Make the control of one encoder, its weights shuffled; write its weights and record."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:shuffle")
