"""Pre-train one encoder, or take it from where studies share them; write its weights, its pictures, and its record."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job, say  # first, it makes the other imports faster

# isort: split
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, depends_on, encoder_header, pretrain, run_settings, settings_of
from sslfast.stages.encoder_store import shared_encoder
from sslfast.stages.inputs import study_images, study_split
from sslfast.study.grid import Box
from sslfast.study.records import write_arrays, write_record

with job(snakemake) as checkpoint:
    config, output = snakemake.config, snakemake.output
    data = study_images(snakemake.params.data, config)
    split = study_split(snakemake.input.split, data, config, snakemake.wildcards.seed)
    run, fit = run_settings(config, threads=snakemake.threads), settings_of(FitSettings, snakemake.params.fit)
    own = Box.at(output.record)
    box = {name: getattr(own, name) for name in ("method", "encoder", "u", "l", "length")}
    box |= {"pool": snakemake.params.pool}
    store = config["encoder_store"] if own.method != "random" else None  # a random encoder costs nothing
    with shared_encoder(store, depends_on(data, split, run, fit, **box), output, config["study"], say) as taken:
        if not taken:
            encoder, record, pictures = pretrain(data, split, run, fit, **box, checkpoint=checkpoint)
            write_arrays(pictures, output.pictures)
            save_encoder(encoder, output.encoder, **encoder_header(record))
            write_record(record, output.record)
