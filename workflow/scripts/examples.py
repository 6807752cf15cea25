"""Gather the images that the report shows."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.analysis.table_files import read_table
from sslfast.data.study import study_images, study_split
from sslfast.examples import write_examples
from sslfast.gather import gather, records_to_show
from sslfast.stages import N_EMBEDDED, N_PICTURES

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    split = study_split(snakemake.input.split[0], data, snakemake.config, snakemake.config["seeds"][0])
    pictures = list(zip(snakemake.input.pretrained, snakemake.input.pictures, strict=True))
    cells = read_table(snakemake.input.cells)
    outcomes = records_to_show(cells, snakemake.input.records, snakemake.params.judged_by)
    originals = data.train.pixels(split.valid[split.samples(N_PICTURES)])
    embedded = data.train.y.numpy()[split.valid[split.samples(N_EMBEDDED)]]
    found = gather(originals, pictures, outcomes, data.test.pixels(), data.classes, embedded)
    write_examples(found, snakemake.output[0])
