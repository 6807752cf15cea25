"""Train one supervised baseline; write its record and test predictions."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:supervised")
