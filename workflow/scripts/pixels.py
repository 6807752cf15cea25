"""Logistic regression on raw pixels; write its test predictions and record."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.stages import pixels, run_settings
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.records import write_predictions, write_record

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    predictions, record = pixels(
        data,
        study_split(snakemake.input.split, data, snakemake.config, snakemake.wildcards.seed),
        run_settings(snakemake.config, threads=snakemake.threads, uses_device=False),
        l=snakemake.wildcards.l,
    )
    write_predictions(predictions, snakemake.output.predictions)
    write_record(record, snakemake.output.record)
