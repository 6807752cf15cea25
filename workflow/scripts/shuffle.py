"""Make the control of one encoder, its weights shuffled; write its weights and record."""

from sslfast.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.data.study import study_images, study_split
from sslfast.models import save_encoder
from sslfast.records import write_record
from sslfast.stages import encoder_header, run_settings, shuffle

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
