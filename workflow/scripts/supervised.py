"""Train one supervised baseline; write its record and test predictions."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.data.datasets import load_dataset
from sslfast.data.splits import read_split
from sslfast.records import write_predictions, write_record
from sslfast.stages import FitSettings, run_settings, settings_of, supervised

with job(snakemake) as checkpoint:
    data = load_dataset(**snakemake.params.data, **{key: snakemake.config[key] for key in ("folder", "data_root")})
    own = {"seed": int(snakemake.wildcards.seed), "valid_fraction": snakemake.config["valid_fraction"]}
    predictions, record = supervised(
        data,
        read_split(snakemake.input.split, data, **own),
        run_settings(snakemake.config, threads=snakemake.threads),
        settings_of(FitSettings, snakemake.params.fit),
        encoder=snakemake.wildcards.encoder,
        l=snakemake.wildcards.l,
        checkpoint=checkpoint,
    )
    write_predictions(predictions, snakemake.output.predictions)
    write_record(record, snakemake.output.record)
