"""Gather the images that the report shows, and measure what the choice of test images adds to differences."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.examples:examples")
