"""What each job asks a cluster for (SLURM, a cloud): minutes, MB, a GPU. On one machine only `gpu` limits anything."""

from pathlib import Path

from sslfast.runtime import job_server
from sslfast.study.base_nets import needs_timm
from sslfast.study.datasets import NAMED, image_shape_of
from sslfast.study.length import length_of
from sslfast.cluster.needs import memory_mb, training_mb, training_minutes
from sslfast.cluster.slurm import mend_plugin, refusals
from sslfast.cluster.slurm_check import check_slurm
from sslfast.planning.own_check import check_own
from sslfast.study.stage_table import RECORDING


# `--resources gpu=1` means one GPU here, or one for each submission to a cluster; never one for the whole cluster.
resource_scopes:
    gpu="local",


PROBED = 30  # passes over its images that an evaluation without training counts as
SIDE = image_shape_of(study)[1]
if study.dataset == "folder":
    N = sum(len(files) for _, files in listing.train + listing.test) + len(listing.unlabelled)
else:
    N = NAMED[study.dataset].n_images
if source := study.unlabelled_from:
    N += NAMED[source].n_images if source in NAMED else 100_000  # a folder is not counted for this


def memory(copies=1):
    """MB of a job without training."""
    return lambda w, attempt: memory_mb(N, SIDE, attempt, copies)


def training_memory(stage):
    """MB of a job that trains."""

    def mb(w, attempt):
        settings = job_settings(study, Box.of(w.get("stage", stage), w))
        return training_mb(w.encoder, settings.get("batch_size") or study.batch_size, N, SIDE, attempt, bool(GPU))

    return mb


def training_time(stage):
    """Minutes of a job that trains on a fraction of the images."""

    def minutes(w, attempt):
        box = Box.of(w.get("stage", stage), w)
        settings = job_settings(study, box)
        n = max(1, round(float(w.get("l") or w.u) * N))
        seen = PROBED * n
        if study.budget in settings:
            batch_size = settings.get("batch_size") or study.batch_size
            seen = length_of(box.stage, settings, study.budget, n, batch_size, box.length).images(n)
        return training_minutes(box.stage, w.encoder, seen, n, SIDE, attempt)

    return minutes


def minutes(n):
    """Minutes of a job without training."""
    return lambda w, attempt: n * attempt


USES_TORCH = ("split", *RECORDING)


onstart:
    if workflow.is_main_process:
        try:
            check_own(study)
        except SslfastError as error:
            sys.exit(f"error: config: {error}")
    settings = workflow.executor_settings
    if hasattr(settings, "status_command"):  # of SLURM; neither of a job on its node nor of one machine
        of_rules = {
            job.rule.name: dict(job.resources.items()) for job in workflow.dag.needrun_jobs() if not job.is_norun
        }
        try:
            check_slurm(settings, workflow.global_resources, of_rules.values())
        except SslfastError as error:
            sys.exit(f"error: {error}")
        mend_plugin()
    elif (
        workflow.local_exec and not workflow.touch
    ):  # training jobs begin where torch is imported already; two of them would save nothing
        if sum(job.rule.name in USES_TORCH for job in workflow.dag.needrun_jobs()) > 2:
            prepare = "prepare_timm" if needs_timm(study) else "prepare"
            job_server.start(f"sslfast.stages.entry_points:{prepare}", study.threads)
    begin_progress()


onerror:
    end_progress()
    for file in log:
        for line in refusals(Path(file).read_text(encoding="utf-8", errors="replace")):
            print(line, file=sys.stderr)
