"""Say what the study will take, from short measurements on this machine."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.planning.entry_points:plan")
