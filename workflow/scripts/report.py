"""Turn the study's tables into its report."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.report.entry_points:report")
