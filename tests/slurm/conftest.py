"""Fixtures: a cluster of this machine, and a tiny study that went through it, not without trouble."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, why_not
from killed import STUDY as KILLED
from killed import results, wait_for
from studies import Workflow

STUDY = {**KILLED, "labelled": [0.3, 0.4], "pretrain": {"epochs": 60}, "supervised": {"epochs": 5}}
BOX = "autoencoder-conv-u0.2"
RECORDS = [
    f"results/tiny/records/classify/{BOX}-l0.3-s0.json",
    f"results/tiny/records/classify/{BOX}-l0.4-s0.json",
    "results/tiny/records/supervised/conv-l0.3-s0.json",
]
# GPUs are asked for by jobs that then do without, as the cluster's are no GPUs
PROFILE = [
    *("--workflow-profile", "profiles/slurm"),
    *("--slurm-init-seconds-before-status-checks", "1"),
    *("--set-resources", "pretrain:gpu=1", "supervised:gpu=1"),
]
CALL = [*PROFILE, "--slurm-status-command", "squeue"]


@pytest.fixture(scope="session")
def cluster():
    if reason := why_not():
        pytest.skip(reason)
    with Cluster() as started:
        yield started


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
    """Snakemake at work in `folder`, what it says in output.txt; at the end it has ended."""
    with open(folder / "output.txt", "w") as output:
        command = [sys.executable, Path(__file__).with_name("asks_often.py"), *arguments]
        env = {**os.environ, **environment}
        snakemake = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=env)
    try:
        yield snakemake
    finally:
        snakemake.terminate()
        try:
            snakemake.wait(60)
        except subprocess.TimeoutExpired:  # its handler of SIGTERM can wait for its own lock
            snakemake.kill()
            snakemake.wait()


def trained(folder: Path) -> dict:
    """All that training made, but for what is kept until a job needs it."""
    return {name: made for name, made in results(folder).items() if "checkpoints" not in name}


class Through:
    """A study that goes through the cluster: what was seen of it."""

    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster, self.workflow = cluster, Workflow(folder)
        self.folder, self.log = folder, folder / f"results/tiny/logs/pretrain/{BOX}-s0.log"
        nowhere = ["--default-resources", "slurm_partition=nowhere", "--retries", "0"]
        self.refused = self.workflow.run(*CALL, *nowhere, config=STUDY, **cluster.environment)
        study = folder / "results/tiny"
        self.left = [path.relative_to(study) for path in study.rglob("*") if path.is_file()]
        with running(folder, *RECORDS, *CALL, **cluster.environment) as snakemake:
            wait_for(lambda: snakemake.poll() is not None or self.epochs() >= 3, 600)
            self.cancelled = [number for number, job in cluster.jobs().items() if job.startswith("rule_pretrain")]
            cluster.run("scancel", *self.cancelled)
            snakemake.wait(600)
        self.code, self.output = snakemake.returncode, (folder / "output.txt").read_text()
        self.jobs = [
            dict(entry.split("=", 1) for entry in line.split() if "=" in entry)
            for line in cluster.run("scontrol", "show", "job", "--oneliner").splitlines()
        ]

    def epochs(self) -> int:
        return self.log.read_text().count("\nepoch ") if self.log.exists() else 0

    def submissions(self, what: str) -> list[dict[str, str]]:
        return [job for job in self.jobs if job["Comment"].startswith(f"rule_{what}")]


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """The same study without a cluster, being run."""
    folder = tmp_path_factory.mktemp("local")
    Workflow(folder)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(STUDY))
    with running(folder, *RECORDS, "--cores", "1") as snakemake:
        yield folder, snakemake


@pytest.fixture(scope="session")
def through(cluster, local, tmp_path_factory):
    study = Through(cluster, tmp_path_factory.mktemp("cluster"))
    assert study.code == 0, study.output
    return study
