"""A study through a cluster that keeps accounts, with the profile as it is, and four things that go wrong in it."""

import re
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, why_not
from conftest import BOX, PROFILE, STUDY, running, trained
from killed import wait_for
from studies import Workflow

pytestmark = pytest.mark.long
LONG = {**STUDY, "pretrain": {"epochs": 120}}


@pytest.fixture(scope="module")
def through(tmp_path_factory):
    if reason := why_not(accounting=True):
        pytest.skip(reason)
    with Cluster(accounting=True) as cluster:
        study = Through(cluster, tmp_path_factory.mktemp("accounting"))
    assert study.code == 0, study.output
    return study


class Through:
    """A study whose only pre-training meets with one accident after the other: what was seen of it."""

    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster, self.folder = cluster, folder
        self.log = folder / f"results/tiny/logs/pretrain/{BOX}-s0.log"
        self.after: list[int | None] = []  # the epochs after which attempts began
        Workflow(folder)
        (folder / "config/config.yaml").write_text(yaml.safe_dump(LONG))
        for added in (["account", "studies"], ["user", "root", "account=studies"]):
            cluster.run("sacctmgr", "--immediate", "add", *added)
        account = ["--default-resources", "slurm_account=studies"]
        with running(folder, *PROFILE, *account, **cluster.environment) as self.snakemake:
            self.trains()
            cluster.run("scancel", *self.running())
            self.trains()
            requeued = self.preempt()
            wait_for(lambda: "preemption" in self.said())
            cluster.run("scontrol", "update", f"JobId={requeued}", "StartTime=now")  # else in two minutes
            self.trains()
            cluster.run("scontrol", "update", "PartitionName=usual", "PreemptMode=CANCEL")
            self.preempt()
            self.trains()
            cluster.stop("slurmdbd")
            wait_for(lambda: not self.running() and "does not answer" in self.said(), 300)
            cluster.start_accounting()
            self.snakemake.wait(600)
        self.code, self.output = self.snakemake.returncode, self.said()
        lines = cluster.run("sacct", "-X", "--noheader", "--parsable2", "--format=Account,Comment,State").splitlines()
        jobs = [dict(zip(("Account", "Comment", "State"), line.split("|"), strict=True)) for line in lines]
        self.jobs = [job for job in jobs if job["Comment"]]  # Snakemake's

    def said(self) -> str:
        return (self.folder / "output.txt").read_text()

    def running(self) -> list[str]:
        return [number for number, job in self.cluster.jobs().items() if job.startswith("rule_pretrain")]

    def preempt(self) -> str:
        """Want the whole node for something more urgent; the number of the job that had to go."""
        (number,) = self.running()
        self.cluster.run("sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 1")
        wait_for(lambda: not self.running())
        return number

    def trains(self) -> None:
        """Wait until the next attempt trains."""
        wait_for(lambda: self.snakemake.poll() is not None or self.began_after() not in (None, *self.after), 300)
        self.after.append(self.began_after())

    def began_after(self) -> int | None:
        """The epoch after which the last attempt began, once it has told of three more."""
        text = self.log.read_text() if self.log.exists() else ""
        found = re.search(r"goes on after epoch (\d+) of", text)
        after = int(found[1]) if found else 0
        return after if text.count("\nepoch ") >= after + 3 else None  # what was before is told, too


def test_records_are_those_of_a_local_run_bit_for_bit(through, tmp_path):
    local = Workflow(tmp_path)
    assert local.run("--cores", "2", "--until", "classify", "supervised", config=LONG).returncode == 0
    expected, found = trained(tmp_path), trained(through.folder)
    assert len(expected) == 5 + 4 + 1 + 1 + 1  # records, predictions, pictures, encoder, split
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == expected[name], name


def test_the_report_is_written_by_the_last_submission(through):
    assert (through.folder / "reports/tiny/report.html").exists()
    assert through.jobs[-1]["Comment"].startswith("rule_report_collect_examples_report")


def test_training_that_was_cancelled_or_preempted_goes_on_after_its_last_epoch(through):
    assert through.after[0] == 0
    assert len(through.after) == 4
    assert sorted(set(through.after)) == through.after


def test_a_cancelled_job_is_submitted_again_and_so_is_a_preempted_one_that_slurm_does_not_run_again(through):
    states = [job["State"] for job in through.jobs if job["Comment"].startswith("rule_pretrain")]
    assert states == ["CANCELLED by 0", "PREEMPTED", "COMPLETED"]


def test_jobs_that_ended_while_no_accounts_were_kept_are_not_lost(through):
    assert through.output.count("sacct does not answer") == through.output.count("sacct answers again") == 1


def test_jobs_are_of_the_account_that_was_asked_for(through):
    assert {job["Account"] for job in through.jobs} == {"studies"}
