"""Pre-train one encoder, or take it from where studies share them; write its weights, its pictures, and its record."""

from sslfast.runtime.script import run

run(snakemake, "sslfast.stages.entry_points:pretrain")
