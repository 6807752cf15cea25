"""Train one classifier over a frozen encoder; write its record and test predictions."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.rules:classify")
