"""Gather the images that the report shows."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.table_files import read_table
from sslfast.data.datasets import load_dataset
from sslfast.data.splits import read_split
from sslfast.examples import best_and_worst, gather, write_examples
from sslfast.stages import N_PICTURES

with job(snakemake):
    data = load_dataset(**snakemake.params.data, **{key: snakemake.config[key] for key in ("folder", "data_root")})
    own = {"seed": snakemake.config["seeds"][0], "valid_fraction": snakemake.config["valid_fraction"]}
    split = read_split(snakemake.input.split[0], data, **own)
    pictures = list(zip(snakemake.input.pretrained, snakemake.input.pictures, strict=True))
    chosen = best_and_worst(read_table(snakemake.input.cells))
    records = Path(snakemake.params.records)
    outcomes = {name: records / f"{record}.json" for name, record in chosen.record.items()}
    originals = data.train.pixels(split.valid[split.samples(N_PICTURES)])
    write_examples(gather(originals, pictures, outcomes, data.test.pixels(), data.classes), snakemake.output[0])
