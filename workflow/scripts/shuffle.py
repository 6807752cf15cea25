"""Make the control of one encoder, its weights shuffled; write its weights and record."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.models import save_encoder
from sslfast.stages import encoder_header, run_settings, shuffle
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.records import write_record

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    encoder, record = shuffle(
        data,
        study_split(snakemake.input.split, data, snakemake.config, snakemake.wildcards.seed),
        run_settings(snakemake.config, threads=snakemake.threads),
        encoder_file=snakemake.input.encoder,
        pretrain_record=snakemake.input.record,
    )
    save_encoder(encoder, snakemake.output.encoder, **encoder_header(record))
    write_record(record, snakemake.output.record)
