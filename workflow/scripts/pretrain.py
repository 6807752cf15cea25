"""Pre-train one encoder; write its weights and its record."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.data.datasets import load_dataset
from sslfast.data.splits import read_split
from sslfast.models import save_encoder
from sslfast.records import write_record
from sslfast.stages import FitSettings, encoder_header, pretrain, run_settings, settings_of

with job(snakemake) as checkpoint:
    data = load_dataset(**snakemake.params.data, data_root=snakemake.config["data_root"])
    encoder, record = pretrain(
        data,
        read_split(snakemake.input.split, data),
        run_settings(snakemake.config, threads=snakemake.threads),
        settings_of(FitSettings, snakemake.params.fit),
        method=snakemake.wildcards.method,
        encoder=snakemake.wildcards.encoder,
        u=snakemake.wildcards.u,
        pool=snakemake.params.pool,
        l=snakemake.wildcards.of.removeprefix("-l") or None,
        checkpoint=checkpoint,
    )
    save_encoder(encoder, snakemake.output.encoder, **encoder_header(record))
    write_record(record, snakemake.output.record)
