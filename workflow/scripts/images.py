"""Read the data set, store it decoded (once), and note what was found."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:images")
