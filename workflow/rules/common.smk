"""The grid: which boxes there are, where their files lie, and what each rule depends on."""

import sys
from itertools import product
from pathlib import Path

from sslfast.config import check_config, read_schema
from sslfast.data.listing import content_digest, scan
from sslfast.device import gpu_here
from sslfast.errors import ConfigError, SslfastError
from sslfast.version import code_version, report_version

try:
    config = check_config(config, read_schema(workflow.source_path("../schemas/config.schema.yaml")))
    CONTENT = None  # changes with the images of a folder, so that a study follows them; looked up once for all jobs
    if config["dataset"] == "folder":
        folder = Path(config["folder"]).expanduser()
        listing = scan(folder)
        CONTENT = content_digest(folder, listing)
        if config["pool"] == "rest" and "1" in config["labelled"] and not listing.unlabelled:
            raise ConfigError("labelled: 1 leaves no unlabelled images with pool: rest; use less, or pool: all")
    if " " in sys.executable:  # Snakemake calls scripts without quoting it
        raise ConfigError(f"the path {sys.executable} has a space in it; move this folder to a path without")
except SslfastError as error:
    sys.exit(f"error: config: {error}")

STUDY = config["study"]
RESULTS = f"results/{STUDY}"
REPORTS = f"reports/{STUDY}"
# A GPU resource on a machine without a GPU would only make jobs wait for each other.
GPU = int(gpu_here(config["device"]))

# What a job's result depends on, by key of the config: a change of these reruns it, no other does.
DATA = {key: config[key] for key in ("dataset", "folder")}
if config["dataset"] == "folder":
    DATA |= {k: config[k] for k in ("image_size", "channels", "on_bad_image")} | {"content": CONTENT}
if config["dataset"] in ("folder", "digits"):
    DATA |= {key: config[key] for key in ("test_fraction", "test_seed")}
RUN = {key: config[key] for key in ("batch_size", "augment", "budget", "precision")}
CODE = code_version()
REPORT_CODE = report_version()

# Boxes of the grid. An encoder of pool `rest` belongs to one labelled fraction and says so in its name.
ENCODERS = [
    f"{method}-{encoder}-u{u}"
    for encoder, u in product(config["encoders"], config["unlabelled"])
    for method in (config["methods"] if u != "0" else ["random"])
]
IMAGES = f"{RESULTS}/images.json"
SPLIT = f"{RESULTS}/splits/{config['dataset']}-s{{seed}}.parquet"
ENCODER = f"{RESULTS}/encoders/{{method}}-{{encoder}}-u{{u}}{{of}}-s{{seed}}.safetensors"
PRETRAIN_RECORD = f"{RESULTS}/records/pretrain/{{method}}-{{encoder}}-u{{u}}{{of}}-s{{seed}}.json"
CELL = f"{RESULTS}/records/classify/{{method}}-{{encoder}}-u{{u}}-l{{l}}-s{{seed}}"
BASELINE = f"{RESULTS}/records/supervised/{{encoder}}-l{{l}}-s{{seed}}"
CHECKPOINTS = f"{RESULTS}/checkpoints"  # not outputs: Snakemake would delete them before a job goes on


wildcard_constraints:
    method="[a-z]+",
    encoder="[a-z]+",
    u="[0-9.]+",
    l="[0-9.]+",
    of="(-l[0-9.]+)?",
    seed="[0-9]+",


def of_cell(pattern):
    """The encoder's file for a cell: shared by all labelled fractions, unless the pool is `rest`."""
    return lambda w: expand(pattern, of=f"-l{w.l}" if config["pool"] == "rest" and w.u != "0" else "", **w)


def records_of_study(_):
    """Every record that the study's tables are made from."""
    labelled, seeds = config["labelled"], config["seeds"]
    cells = expand(
        f"{RESULTS}/records/classify/{{box}}-l{{l}}-s{{seed}}.json",
        box=ENCODERS,
        l=labelled,
        seed=seeds,
    )
    return cells + expand(f"{BASELINE}.json", encoder=config["encoders"], l=labelled, seed=seeds)


def percent(fraction):
    """0.1 as people say it: 10 %."""
    return f"{float(fraction) * 100:g} %"
