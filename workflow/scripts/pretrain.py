"""Pre-train one encoder, or take it from where studies share them; write its weights, its pictures, and its record."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job, say  # first, it makes the other imports faster

# isort: split
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, depends_on, encoder_header, pretrain, run_settings, settings_of
from sslfast.stages.encoder_store import shared_encoder
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.length import FULL
from sslfast.study.records import write_arrays, write_record

with job(snakemake) as checkpoint:
    config, wildcards, output = snakemake.config, snakemake.wildcards, snakemake.output
    data = study_images(snakemake.params.data, config)
    split = study_split(snakemake.input.split, data, config, wildcards.seed)
    run, fit = run_settings(config, threads=snakemake.threads), settings_of(FitSettings, snakemake.params.fit)
    box = {
        "method": wildcards.method,
        "encoder": wildcards.encoder,
        "u": wildcards.u,
        "pool": snakemake.params.pool,
        "l": wildcards.of.removeprefix("-l") or None,
        "length": wildcards.length[1:] or FULL,
    }
    store = config["encoder_store"] if wildcards.method != "random" else None  # a random encoder costs nothing
    depends = depends_on(data, split, run, fit, **box)
    own = run.own_file(wildcards.encoder)
    with shared_encoder(store, depends, output, config["study"], say, own) as taken:
        if not taken:
            encoder, record, pictures = pretrain(data, split, run, fit, **box, checkpoint=checkpoint)
            write_arrays(pictures, output.pictures)
            save_encoder(encoder, output.encoder, **encoder_header(record))
            write_record(record, output.record)
