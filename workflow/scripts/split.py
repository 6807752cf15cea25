"""Write the split of one seed."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.data.datasets import load_dataset
from sslfast.data.splits import make_split, write_split

with job(snakemake):
    data = load_dataset(**snakemake.params.data, **{key: snakemake.config[key] for key in ("folder", "data_root")})
    split = make_split(data, int(snakemake.wildcards.seed), snakemake.params.valid_fraction)
    write_split(split, snakemake.output[0])
