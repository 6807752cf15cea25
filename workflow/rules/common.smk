"""The grid: which boxes there are, where their files lie, and what each rule depends on."""

import gc
import sys
from functools import cache
from pathlib import Path

from snakemake.common.configfile import load_configfile

from sslfast.runtime.attempts import attempt_folder, checkpoints_of
from sslfast.cluster.bucket import check_bucket
from sslfast.planning.own_check import without_missing
from sslfast.study.config import check_config, evaluation_settings, method_settings, read_schema
from sslfast.data.found import found_lines, rare_lines
from sslfast.data.listing import content_digest, listing_of
from sslfast.data.sources import source_content
from sslfast.runtime.device import gpu_here
from sslfast.errors import ConfigError, SslfastError
from sslfast.files import check_room, check_writable, user_path
from sslfast.runtime.gpus import gpus_to_share
from sslfast.data.identity import check_names, check_results
from sslfast.study.datasets import FILE_KEYS, image_keys
from sslfast.study.grid import WILDCARDS, Box, jobs_of, pattern
from sslfast.study.length import FULL
from sslfast.study.names import SHUFFLED
from sslfast.study.depends import code_of
from sslfast.study.shorter import share_of
from sslfast.study.stages import evaluations
from sslfast.study.version import reading_version, report_version

try:
    check_room(".")
    if workflow.storage_settings.default_storage_provider == "s3" and workflow.is_main_process:
        place = workflow.storage_settings.default_storage_prefix
        check_bucket(
            workflow.storage_registry.default_storage_provider.s3c, place, write=not workflow.output_settings.dryrun
        )
    beside = Path(workflow.configfiles[-1]).parent if workflow.configfiles else "."
    config = check_config(config, read_schema(workflow.source_path("../schemas/config.schema.yaml")), beside)
    config = without_missing(config)
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
        for name, why in config.get("left_out", {}).items():
            logger.info(f"{name} is left out: {why}")
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
JOBS = jobs_of(config)
# A GPU resource on a machine without a GPU would only make jobs wait for each other.
GPU = int(gpu_here(config["device"]))

# What a job's result depends on, by key of the config: a change of these reruns it, no other does. Where the
# images lie is none of them: a folder that moved holds the same images. Each key's entry x-reruns in the schema
# says what is to come of this.
DATA = {"dataset": config["dataset"]}
DATA |= {key: config[key] for key in image_keys(config["dataset"])}
if config["dataset"] == "folder":
    DATA["content"] = CONTENT
if elsewhere:
    DATA |= {"unlabelled_content": elsewhere} | {key: config[key] for key in FILE_KEYS}
if config["dataset"] == "folder" and not listing.test:
    DATA |= {key: config[key] for key in ("test_fraction", "test_seed")}
RUN = {key: config[key] for key in ("batch_size", "augment", "budget", "precision")}
READING_CODE = reading_version()
REPORT_CODE = report_version()


def code(stage, w):
    """The version of the code that a job depends on."""
    return code_of(config, Box.of(stage, w))


def code_of_study():
    """The same for all of the study's jobs."""
    made = {(job.stage, job.method, job.encoder): job for job in JOBS}
    return {"/".join(filter(None, kind)): code_of(config, job) for kind, job in made.items()}


# A job that fails leaves no output, and Snakemake compares params with those of outputs that exist. So a rule also
# holds, as `before`, what the jobs before it depend on; else a change would be forgotten with the job that failed.
BEFORE_TRAINING = {"valid_fraction": config["valid_fraction"]}
BEFORE_TABLES = {
    **BEFORE_TRAINING,
    **{key: config[key] for key in ("pool", "classify", "supervised")},
    **{name: method_settings(config, name) for name in config["methods"]},
    **{stage.section: config.get(stage.section) for name, stage in evaluations().items() if name in config["evaluate"]},
    **DATA,
    **RUN,
    "code": code_of_study(),
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


# Where files lie (`sslfast.study.grid`).
IMAGES = f"{RESULTS}/images.json"
CELL = "{stage}"  # of any evaluation but the study's own head


def place(kind, stage, **known):
    """Where jobs of a stage have a kind of file, with Snakemake's wildcards for what is not known."""
    return f"{RESULTS}/{pattern(kind, stage, dataset=config['dataset'], **known)}"


SPLIT = place("split", "split")


wildcard_constraints:
    **WILDCARDS,


def encoder_of_cell(kind):
    """A file of the encoder that a cell stands on: shared by all labelled fractions, unless the pool is `rest`."""
    if config["pool"] == "all":  # a pattern where it can be: Snakemake fills those in faster than it calls
        return place(kind, "pretrain", of="")
    return lambda w: f"{RESULTS}/{Box.of('classify', w).made_from('rest').path(kind)}"


def files_of(kind, wanted=lambda job: True):
    """The files of a kind that the study's jobs leave."""
    return [
        f"{RESULTS}/{job.path(kind, dataset=config['dataset'])}" for job in JOBS if kind in job.outputs and wanted(job)
    ]


def is_encoder(job):
    """Whether the tables hold how it was trained; of runs of less length they do not."""
    return job.stage == "pretrain" and job.length == FULL


def is_shown(job):
    """Whether the report shows the encoder: one for each box with unlabelled images, of the first seed (and most labels)."""
    first = job.rule == "pretrain" and job.u != "0" and job.seed == config["seeds"][0] and job.length == FULL
    return first and job.l in (None, config["labelled"][-1])


@cache
def records_of_study():
    """Every record that the study's tables are made from."""
    return files_of("record", lambda job: job.stage != "pretrain")
