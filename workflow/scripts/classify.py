"""Find what an encoder is worth with some labels, by one evaluation; write the record and test predictions."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:classify")
