"""Measure what the choice of test images adds to the differences of a study."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.image_noise import image_variance
from sslfast.analysis.table_files import read_table
from sslfast.data.study import study_images
from sslfast.files import replacing
from sslfast.records import read_predictions

with job(snakemake):
    labels = study_images(snakemake.params.data, snakemake.config).test.y.numpy()
    files = map(Path, snakemake.input.records)
    predictions = {f"{path.parent.name}/{path.stem}": read_predictions(path.with_suffix(".npy")) for path in files}
    found = image_variance(read_table(snakemake.input.cells), predictions, labels)
    with replacing(snakemake.output[0]) as scratch:
        found.to_parquet(scratch)
