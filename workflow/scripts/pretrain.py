"""Pre-train one encoder; write its weights, its pictures, and its record."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.data.study import study_images, study_split
from sslfast.models import save_encoder
from sslfast.records import write_arrays, write_record
from sslfast.stages import FitSettings, encoder_header, pretrain, run_settings, settings_of

with job(snakemake) as checkpoint:
    data = study_images(snakemake.params.data, snakemake.config)
    encoder, record, pictures = pretrain(
        data,
        study_split(snakemake.input.split, data, snakemake.config, snakemake.wildcards.seed),
        run_settings(snakemake.config, threads=snakemake.threads),
        settings_of(FitSettings, snakemake.params.fit),
        method=snakemake.wildcards.method,
        encoder=snakemake.wildcards.encoder,
        u=snakemake.wildcards.u,
        pool=snakemake.params.pool,
        l=snakemake.wildcards.of.removeprefix("-l") or None,
        checkpoint=checkpoint,
    )
    write_arrays(pictures, snakemake.output.pictures)
    save_encoder(encoder, snakemake.output.encoder, **encoder_header(record))
    write_record(record, snakemake.output.record)
