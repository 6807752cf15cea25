"""Read the data set, store it decoded (once), and note what was found."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
import json
import sys

from sslfast.data.datasets import load_dataset
from sslfast.files import replacing

with job(snakemake):
    data = load_dataset(**snakemake.params.data, data_root=snakemake.config["data_root"], progress=sys.__stderr__)
    with replacing(snakemake.output[0]) as scratch:
        scratch.write_text(json.dumps(data.summary(), indent=1) + "\n", encoding="utf-8")
