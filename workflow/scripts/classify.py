"""Find what an encoder is worth with some labels, by one evaluation; write the record and test predictions."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.stages import FitSettings, classify, run_settings, settings_of
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.length import FULL
from sslfast.study.records import write_predictions, write_record
from sslfast.study.stages import STAGES

with job(snakemake) as checkpoint:
    data = study_images(snakemake.params.data, snakemake.config)
    predictions, record = classify(
        data,
        study_split(snakemake.input.split, data, snakemake.config, snakemake.wildcards.seed),
        run_settings(snakemake.config, threads=snakemake.threads),
        settings_of(FitSettings, snakemake.params.fit),
        encoder_file=snakemake.input.encoder,
        pretrain_record=snakemake.input.pretrained,
        l=snakemake.wildcards.l,
        evaluate=STAGES[snakemake.wildcards.stage].evaluate,
        length=snakemake.wildcards.length[1:] or FULL,
        checkpoint=checkpoint,
    )
    write_predictions(predictions, snakemake.output.predictions)
    write_record(record, snakemake.output.record)
