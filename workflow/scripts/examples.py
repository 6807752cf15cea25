"""Gather the images that the report shows, and measure what the choice of test images adds to differences."""

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.image_noise import image_variance
from sslfast.analysis.table_files import read_table
from sslfast.files import replacing
from sslfast.report.examples import write_examples
from sslfast.stages import N_EMBEDDED, N_PICTURES
from sslfast.stages.examples import gather, read_predictions, records_to_show
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.grid import Box

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    split = study_split(snakemake.input.split[0], data, snakemake.config, snakemake.config["seeds"][0])
    pictures = list(zip(snakemake.input.pretrained, snakemake.input.pictures, strict=True))
    cells = read_table(snakemake.input.cells)
    outcomes = records_to_show(cells, snakemake.input.records, snakemake.params.judged_by)
    originals = data.train.pixels(split.valid[split.samples(N_PICTURES)])
    embedded = data.train.y.numpy()[split.valid[split.samples(N_EMBEDDED)]]
    found = gather(originals, pictures, outcomes, data.test.pixels(), data.classes, embedded)
    write_examples(found, snakemake.output.examples)
    files = map(Path, snakemake.input.predictions)
    predictions = {Box.at(path).name: read_predictions(path) for path in files}
    noise = image_variance(cells, predictions, data.test.y.numpy())
    with replacing(snakemake.output.image_noise) as scratch:
        noise.to_parquet(scratch)
