"""The grid: which boxes there are, where their files lie, and what each rule depends on."""

import gc
import sys
from itertools import product

from snakemake.common.configfile import load_configfile

from sslfast.runtime.attempts import attempt_folder, checkpoints_of
from sslfast.cluster.bucket import check_bucket
from sslfast.study.config import check_config, evaluation_settings, method_settings, read_schema
from sslfast.data.found import found_lines, rare_lines
from sslfast.data.listing import content_digest, listing_of
from sslfast.data.sources import source_content
from sslfast.runtime.device import gpu_here
from sslfast.errors import ConfigError, SslfastError
from sslfast.files import check_room, check_writable, user_path
from sslfast.runtime.gpus import gpus_to_share
from sslfast.data.identity import check_names, check_results
from sslfast.study.length import HALF, PASSES
from sslfast.study.names import EVALUATIONS, SHUFFLED
from sslfast.study.grid import shorter_jobs
from sslfast.study.shorter import share_of
from sslfast.study.version import code_version, reading_version, report_version

try:
    check_room(".")
    if workflow.storage_settings.default_storage_provider == "s3" and workflow.is_main_process:
        place = workflow.storage_settings.default_storage_prefix
        check_bucket(
            workflow.storage_registry.default_storage_provider.s3c, place, write=not workflow.output_settings.dryrun
        )
    config = check_config(config, read_schema(workflow.source_path("../schemas/config.schema.yaml")))
    if config["encoder_store"]:
        check_writable(config["encoder_store"], "encoder_store")
    CONTENT = None  # changes with the images of a folder, so that a study follows them; looked up once for all jobs
    listing, elsewhere = None, config["unlabelled_from"]
    if elsewhere:
        elsewhere = source_content(elsewhere, config["follow_links"])
    if config["dataset"] == "folder":
        folder = user_path(config["folder"], "folder")
        listing = listing_of(config)
        CONTENT = content_digest(folder, listing)
        if config["pool"] == "rest" and "1" in config["labelled"] and not listing.unlabelled:
            raise ConfigError("labelled: 1 leaves no unlabelled images with pool: rest; use less, or pool: all")
    if workflow.is_main_process:  # before anything of another study is replaced
        check_results(config, listing)
        check_names(config, [*map(load_configfile, workflow.configfiles), workflow.config_settings.config])
        for line in found_lines(listing.summary()) + rare_lines(listing.summary(), config) if listing else ():
            logger.info(line)
    if gpu_here(config["device"]):
        gpus_to_share()  # so that one which does not exist is one error now, not an error of every job
    if " " in sys.executable:  # Snakemake calls scripts without quoting it
        raise ConfigError(f"the path {sys.executable} has a space in it; move this folder to a path without")
except SslfastError as error:
    sys.exit(f"error: {'config: ' if isinstance(error, ConfigError) else ''}{error}")

# Snakemake keeps what it makes of the grid: to look through that for garbage, again and again, took a quarter of its time.
gc.freeze()
gc.set_threshold(100_000, 20, 100)

STUDY = config["study"]
RESULTS = f"results/{STUDY}"
REPORTS = f"reports/{STUDY}"
# A GPU resource on a machine without a GPU would only make jobs wait for each other.
GPU = int(gpu_here(config["device"]))

# What a job's result depends on, by key of the config: a change of these reruns it, no other does. Where the
# images lie is none of them: a folder that moved holds the same images. Each key's entry x-reruns in the schema
# says what is to come of this.
DATA = {"dataset": config["dataset"]}
if config["dataset"] == "folder":
    DATA |= {k: config[k] for k in ("image_size", "channels", "on_bad_image", "fit", "max_megapixels")} | {
        "content": CONTENT
    }
if config["dataset"] == "stl10":
    DATA |= {"image_size": config["image_size"]}
if elsewhere:
    DATA |= {"unlabelled_content": elsewhere} | {k: config[k] for k in ("on_bad_image", "fit", "max_megapixels")}
if config["dataset"] == "digits" or (config["dataset"] == "folder" and not listing.test):
    DATA |= {key: config[key] for key in ("test_fraction", "test_seed")}
RUN = {key: config[key] for key in ("batch_size", "augment", "budget", "precision")}
READING_CODE = reading_version()
CODE = code_version()
REPORT_CODE = report_version()
# A job that fails leaves no output, and Snakemake compares params with those of outputs that exist. So a rule also
# holds, as `before`, what the jobs before it depend on; else a change would be forgotten with the job that failed.
BEFORE_TRAINING = {"valid_fraction": config["valid_fraction"]}
BEFORE_TABLES = {
    **BEFORE_TRAINING,
    **{key: config[key] for key in ("pool", "classify", "supervised")},
    **{name: method_settings(config, name) for name in config["methods"]},
    **{name: config[name] for name in config["evaluate"] if name != "head"},
    **DATA,
    **RUN,
    "code": CODE,
}


def checkpoint(_, output):
    """A job's folder for attempts at it: no output, which Snakemake would delete before the job goes on, and, as it
    comes of one, no reason to rerun."""
    return str(attempt_folder(checkpoints_of(config), output.record))


def before_cell(w):
    """What the encoder of a cell depends on."""
    made = {**BEFORE_TRAINING, "pool": config["pool"], "pretrain": method_settings(config, w.method)}
    return made | ({"share": share(w, "pretrain")} if w.get("length") else {})


def share(w, stage):
    """Of the study's own length, what a job trains for."""
    return share_of(w.length[1:], stage, w.get("u"), config["unlabelled"][-1])


# Boxes of the grid. An encoder of pool `rest` belongs to one labelled fraction and says so in its name.
TRAINED = [
    f"{method}-{encoder}-u{u}"
    for encoder, u in product(config["encoders"], config["unlabelled"])
    for method in (config["methods"] if u != "0" else ["random"])
]
LEARNED = [box for box in TRAINED if not box.startswith("random-")]
ENCODERS = TRAINED + [SHUFFLED + box for box in LEARNED if "shuffled" in config["controls"]]
SHORTER = shorter_jobs(config)
STAGES = [EVALUATIONS[name] for name in config["evaluate"]]
IMAGES = f"{RESULTS}/images.json"
SPLIT = f"{RESULTS}/splits/{config['dataset']}-s{{seed}}.parquet"
ENCODER = f"{RESULTS}/encoders/{{method}}-{{encoder}}-u{{u}}{{of}}-s{{seed}}{{length}}.safetensors"
PRETRAIN_RECORD = f"{RESULTS}/records/pretrain/{{method}}-{{encoder}}-u{{u}}{{of}}-s{{seed}}{{length}}.json"
PICTURES = f"{RESULTS}/pictures/{{method}}-{{encoder}}-u{{u}}{{of}}-s{{seed}}{{length}}.npz"
CELL = f"{RESULTS}/records/classify/{{method}}-{{encoder}}-u{{u}}-l{{l}}-s{{seed}}{{length}}"
EVALUATED = f"{RESULTS}/records/{{stage}}/{{method}}-{{encoder}}-u{{u}}-l{{l}}-s{{seed}}{{length}}"
BASELINE = f"{RESULTS}/records/supervised/{{encoder}}-l{{l}}-s{{seed}}{{length}}"
PIXELS = f"{RESULTS}/records/pixels/l{{l}}-s{{seed}}"


wildcard_constraints:
    method="[a-z][a-z0-9_]*",
    encoder="[A-Za-z0-9_.]+",
    stage="finetune|linear|knn",
    u="[0-9.]+",
    l="[0-9.]+",
    of="(-l[0-9.]+)?",
    seed="[0-9]+",
    length=f"(-{HALF}|-{PASSES})?",


def of_cell(pattern):
    """The encoder's file for a cell: shared by all labelled fractions, unless the pool is `rest`."""
    shared = pattern.replace("{of}", "")  # a pattern where it can be: Snakemake fills those in faster than it calls
    alone = pattern.replace("{of}", "-l{l}")
    return shared if config["pool"] == "all" else lambda w: (alone if w.u != "0" else shared).format(**w)


def records_of_study(_):
    """Every record that the study's tables are made from."""
    labelled, seeds = config["labelled"], config["seeds"]
    cells = expand(
        f"{RESULTS}/records/{{stage}}/{{box}}-l{{l}}-s{{seed}}.json",
        stage=STAGES,
        box=ENCODERS,
        l=labelled,
        seed=seeds,
    )
    baselines = expand(f"{BASELINE}.json", encoder=config["encoders"], l=labelled, seed=seeds, length="")
    pixels = expand(f"{PIXELS}.json", l=labelled, seed=seeds) if "pixels" in config["controls"] else []
    return cells + baselines + pixels + shorter_files("classify", "evaluate", "supervised")


def shorter_files(*rules, pattern=f"{RESULTS}/records/{{name}}.json"):
    """The records of runs that are shorter than the study's others; of encoders, by `pattern`, other files, too."""
    return [pattern.format(name=job.name, box=job.name.partition("/")[2]) for job in SHORTER if job.rule in rules]


def of_boxes(pattern, boxes, labelled, seeds):
    """The files of the encoders `boxes`; where the pool is `rest`, one for each of `labelled`."""
    of = [f"-l{l}" for l in labelled] if config["pool"] == "rest" else [""]
    pattern = pattern.replace("{method}-{encoder}-u{u}", "{box}")
    alone = [box for box in boxes if box.startswith("random-")]
    shared = [box for box in boxes if box not in alone]
    every = expand(pattern, box=alone, of="", seed=seeds, length="")
    return every + expand(pattern, box=shared, of=of, seed=seeds, length="")


def shown_encoders(pattern):
    """The files of one encoder for each box with unlabelled images, of the first seed (and most labels)."""
    return of_boxes(pattern, LEARNED, config["labelled"][-1:], config["seeds"][0])


def pretrain_records_of_study(_):
    """The records of all encoders of the study."""
    return of_boxes(PRETRAIN_RECORD, ENCODERS, config["labelled"], config["seeds"])


def files_of_study(_):
    """What the jobs before `collect` make: the images' summary, splits, encoders, pictures and records."""
    seeds, labelled = config["seeds"], config["labelled"]
    encoders = of_boxes(ENCODER, ENCODERS, labelled, seeds) + of_boxes(PICTURES, TRAINED, labelled, seeds)
    encoders += shorter_files("pretrain", pattern=f"{RESULTS}/encoders/{{box}}.safetensors")
    records = pretrain_records_of_study(_) + shorter_files("pretrain") + records_of_study(_)
    return [IMAGES, *expand(SPLIT, seed=seeds), *encoders, *records]


def percent(fraction):
    """0.1 as people say it: 10 %."""
    return f"{float(fraction) * 100:g} %"
