"""Gather the images that the report shows."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.table_files import read_table
from sslfast.data.study import study_images, study_split
from sslfast.examples import best_and_worst, write_examples
from sslfast.gather import gather
from sslfast.stages import N_EMBEDDED, N_PICTURES

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    split = study_split(snakemake.input.split[0], data, snakemake.config, snakemake.config["seeds"][0])
    pictures = list(zip(snakemake.input.pretrained, snakemake.input.pictures, strict=True))
    chosen = best_and_worst(read_table(snakemake.input.cells), snakemake.params.judged_by)
    records = Path(snakemake.params.records)
    outcomes = {name: records / f"{record}.json" for name, record in chosen.record.items()}
    originals = data.train.pixels(split.valid[split.samples(N_PICTURES)])
    embedded = data.train.y.numpy()[split.valid[split.samples(N_EMBEDDED)]]
    found = gather(originals, pictures, outcomes, data.test.pixels(), data.classes, embedded)
    write_examples(found, snakemake.output[0])
