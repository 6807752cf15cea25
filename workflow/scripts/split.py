"""Write the split of one seed."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:split")
