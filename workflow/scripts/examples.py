"""Gather the images that the report shows."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
import pandas as pd

from sslfast.data.datasets import load_dataset
from sslfast.data.splits import read_split
from sslfast.examples import best_and_worst, gather, write_examples
from sslfast.fractions import canonical
from sslfast.stages import N_PICTURES

with job(snakemake.log[0]):
    data = load_dataset(**snakemake.params.data, data_root=snakemake.config["data_root"])
    first = read_split(snakemake.input.split[0], data).valid
    pictures = list(zip(snakemake.input.pretrained, snakemake.input.pictures, strict=True))
    chosen = best_and_worst(pd.read_parquet(snakemake.input.cells))
    outcomes = {
        name: snakemake.params.record.format(**cell._asdict() | {"u": canonical(cell.u), "l": canonical(cell.l)})
        for name, cell in zip(chosen.index, chosen.itertuples(index=False), strict=True)
    }
    originals = data.train.pixels(first[:N_PICTURES])
    write_examples(gather(originals, pictures, outcomes, data.test.pixels(), data.classes), snakemake.output[0])
