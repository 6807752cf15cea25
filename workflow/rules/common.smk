"""The grid: which boxes there are, where their files lie, and what each rule depends on."""

import gc
import sys
from functools import cache
from pathlib import Path

from snakemake.common.configfile import load_configfile

from sslfast.runtime.attempts import attempt_folder, checkpoints_of
from sslfast.cluster.bucket import check_bucket
from sslfast.cluster.command_line import check_workflow_profile
from sslfast.planning.own_check import without_missing
from sslfast.study.config import check_config, read_schema
from sslfast.data.found import found_lines, rare_lines
from sslfast.data.listing import listing_of
from sslfast.data.sources import content_of
from sslfast.runtime.device import gpu_here
from sslfast.errors import ConfigError, SslfastError
from sslfast.files import check_room, check_writable
from sslfast.runtime.gpu_discovery import gpus_to_share
from sslfast.data.identity import check_names, check_results
from sslfast.study.grid import WILDCARDS, Box, jobs_of, pattern
from sslfast.study.length import FULL
from sslfast.study.names import SHUFFLED
from sslfast.study.depends import asked_by, code_of, job_settings
from sslfast.study.stage_table import evaluations
from sslfast.study.version import reading_version, report_version

try:
    if workflow.is_main_process:
        check_workflow_profile([workflow.rundir, workflow.workdir_init], workflow.basedir)
    check_room(".")
    if workflow.storage_settings.default_storage_provider == "s3" and workflow.is_main_process:
        place = workflow.storage_settings.default_storage_prefix
        check_bucket(
            workflow.storage_registry.default_storage_provider.s3c, place, write=not workflow.output_settings.dryrun
        )
    beside = Path(workflow.configfiles[-1]).parent if workflow.configfiles else "."
    study = check_config(config, read_schema(workflow.source_path("../schemas/config.schema.yaml")), beside)
    study = without_missing(study)
    config = study.as_config()  # which scripts get
    if study.encoder_store:
        check_writable(study.encoder_store, "encoder_store")
    listing = listing_of(study) if study.dataset == "folder" else None
    CONTENT = content_of(study, listing)  # a study follows its images; they are looked at once, for all jobs
    if listing and not listing.unlabelled and study.pool == "rest" and "1" in study.labelled:
        raise ConfigError("labelled: 1 leaves no unlabelled images with pool: rest; use less, or pool: all")
    if workflow.is_main_process:  # before anything of another study is replaced
        check_results(study, listing)
        check_names(study, [*map(load_configfile, workflow.configfiles), workflow.config_settings.config])
        for name, why in study.left_out.items():
            logger.info(f"{name} is left out: {why}")
        for line in found_lines(listing.summary()) + rare_lines(listing.summary(), study) if listing else ():
            logger.info(line)
    if gpu_here(study.device):
        gpus_to_share()  # so that one which does not exist is one error now, not an error of every job
    if " " in sys.executable:  # Snakemake calls scripts without quoting it
        raise ConfigError(f"the path {sys.executable} has a space in it; move this folder to a path without")
except SslfastError as error:
    sys.exit(f"error: {'config: ' if isinstance(error, ConfigError) else ''}{error}")

# Snakemake keeps what it makes of the grid: to look through that for garbage, again and again, took a quarter of its time.
gc.freeze()
gc.set_threshold(100_000, 20, 100)

RESULTS = f"results/{study.name}"
REPORTS = f"reports/{study.name}"
JOBS = jobs_of(study)
# A GPU resource on a machine without a GPU would only make jobs wait for each other.
GPU = int(gpu_here(study.device))

READING_CODE = reading_version()
REPORT_CODE = report_version()
ASKED = asked_by(study)


def asked(stage, w):
    """What a job depends on in the config: a change of that reruns it, no other does (the schema's x-reruns)."""
    return ASKED(Box.of(stage, w))


def code(stage, w):
    """The version of the code that a job depends on."""
    return code_of(study, Box.of(stage, w))


def checkpoint(_, output):
    """A training job's folder for its attempts. Not an output, since Snakemake deletes those before a retry; derived from
    the output's path, so it never triggers a rerun."""
    return str(attempt_folder(checkpoints_of(study), output.record))


# Where files lie (`sslfast.study.grid`).
IMAGES = f"{RESULTS}/images.json"
CELL = "{stage}"  # of any evaluation but the study's own head


def place(kind, stage, **known):
    """Where jobs of a stage have a kind of file, with Snakemake's wildcards for what is not known."""
    return f"{RESULTS}/{pattern(kind, stage, dataset=study.dataset, **known)}"


SPLIT = place("split", "split")


wildcard_constraints:
    **WILDCARDS,


def encoder_of_cell(kind):
    """A file of the encoder that a cell stands on: shared by all labelled fractions, unless the pool is `rest`."""
    over_nets = any(job.u == "0" and job.length != FULL for job in JOBS)  # nets as they are, at every length
    # a pattern where it can be: Snakemake fills those in faster than it calls
    if study.pool == "all" and not over_nets:
        return place(kind, "pretrain", of="")
    return lambda w: f"{RESULTS}/{Box.of('classify', w).made_from(study.pool).path(kind)}"


def files_of(kind, wanted=lambda job: True):
    """The files of a kind that the study's jobs leave."""
    return [f"{RESULTS}/{job.path(kind, dataset=study.dataset)}" for job in JOBS if kind in job.outputs and wanted(job)]


def is_encoder(job):
    """Whether the tables hold how it was trained; of runs of less length they do not."""
    return job.stage == "pretrain" and job.length == FULL


def is_shown(job):
    """Whether the report shows the encoder: one for each box with unlabelled images, of the first seed (and most labels)."""
    first = job.rule == "pretrain" and job.u != "0" and job.seed == study.seeds[0] and job.length == FULL
    return first and job.l in (None, study.labelled[-1])


@cache
def records_of_study():
    """Every record that the study's tables are made from."""
    return files_of("record", lambda job: job.stage != "pretrain")
