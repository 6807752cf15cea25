"""Read the data set (and store it decoded, once) and write one seed's split."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
import sys

from sslfast.data.datasets import load_dataset
from sslfast.data.splits import make_split, write_split

with job(snakemake.log[0]):
    data = load_dataset(**snakemake.params.data, data_root=snakemake.config["data_root"], progress=sys.__stderr__)
    split = make_split(data, int(snakemake.wildcards.seed), snakemake.params.valid_fraction)
    write_split(split, snakemake.output[0])
