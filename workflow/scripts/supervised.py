"""Train one supervised baseline; write its record and test predictions."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.stages import FitSettings, run_settings, settings_of, supervised
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.grid import Box
from sslfast.study.records import write_predictions, write_record

with job(snakemake) as checkpoint:
    data = study_images(snakemake.params.data, snakemake.config)
    predictions, record = supervised(
        data,
        study_split(snakemake.input.split, data, snakemake.config, snakemake.wildcards.seed),
        run_settings(snakemake.config, threads=snakemake.threads),
        settings_of(FitSettings, snakemake.params.fit),
        encoder=snakemake.wildcards.encoder,
        l=snakemake.wildcards.l,
        length=Box.at(snakemake.output.record).length,
        checkpoint=checkpoint,
    )
    write_predictions(predictions, snakemake.output.predictions)
    write_record(record, snakemake.output.record)
