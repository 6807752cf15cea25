"""What is said, and how soon, where SLURM is away, half there, or would refuse a study's jobs."""

import time
from types import SimpleNamespace

import pytest
from hostile import is_one_line

from sslfast.cluster import slurm_check
from sslfast.cluster.slurm_check import check_slurm
from sslfast.errors import SslfastError, one_line

PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "sacct", "sacctmgr", "sshare")
LIMITS = ["gpu", "turn"]
JOB = {"slurm_account": "me", "slurm_partition": "short", "runtime": 30, "mem_mb": 2000}
SETTINGS = SimpleNamespace(status_command="sacct")
SQUEUE = SimpleNamespace(status_command="squeue")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program into the place of SLURM's, which all answer and are the only programs."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name, script="exit 0"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    for name in PROGRAMS:
        put(name)
    put("sacctmgr", "echo me; echo Ours")
    put.folder = tmp_path
    return put


def error(settings=SETTINGS, limits=LIMITS, jobs=(JOB,)) -> str:
    begun = time.monotonic()
    with pytest.raises(SslfastError) as caught:
        check_slurm(settings, limits, jobs)
    assert time.monotonic() - begun < 10
    assert is_one_line(one_line(caught.value))
    return str(caught.value)


def test_a_cluster_that_would_take_the_jobs_is_asked_once_for_each_kind(program, tmp_path):
    program("sbatch", f'echo "$@" >> {tmp_path}/asked')
    gpu = {
        **JOB,
        "gpu": 1,
        "slurm_partition": "large",
        "slurm_extra": "--nice=5 --mail-user='a b'",
        "slurm_account": "",
    }
    check_slurm(SimpleNamespace(status_command="sacct", qos="low"), LIMITS, [JOB, dict(JOB), gpu])
    assert sorted((tmp_path / "asked").read_text().splitlines()) == [
        "--test-only --partition=large --time=30 --mem=2000 --gpus=1 --qos=low --nice=5 --mail-user=a b --wrap=true",
        "--test-only --partition=short --time=30 --mem=2000 --qos=low --account=me --wrap=true",
    ]


@pytest.mark.parametrize("gone", PROGRAMS[:-1])
def test_a_program_of_slurm_that_is_not_there_is_named_with_what_to_do(program, gone):
    (program.folder / gone).unlink()
    line = error()
    assert line.startswith(f"{gone}: not found here") and "login node" in line


def test_without_slurm_all_that_is_missing_is_named(program):
    for name in PROGRAMS:
        (program.folder / name).unlink()
    assert error(SimpleNamespace(status_command=None)).startswith("sbatch, squeue, scancel, sinfo, sacctmgr: not found")


def test_sacct_is_needed_by_who_asks_it_and_where_no_account_is_given(program):
    (program.folder / "sacct").unlink()
    check_slurm(SQUEUE, LIMITS, [JOB])
    assert error(SQUEUE, jobs=[{}]).startswith("sacct: not found")


def test_a_wrong_partition_is_said_in_the_words_of_sbatch_with_what_was_asked(program):
    program("sbatch", "echo 'sbatch: error: invalid partition specified: short' >&2; exit 1")
    line = error()
    assert "--partition=short" in line and ": invalid partition specified: short; the profile says" in line


@pytest.mark.parametrize(
    "said",
    [
        "fatal: Could not establish a configuration source",
        "error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
    ],
)
def test_where_no_cluster_can_be_reached_no_job_is_blamed(program, said):
    program("sbatch", f"echo 'sbatch: {said}' >&2; exit 1")
    line = error()
    assert line.startswith("sbatch: ") and said.split(": ")[-1] in line and "login node" in line
    assert "--time" not in line


def test_a_job_that_would_wait_in_the_queue_is_no_error(program):
    program("sbatch", "echo 'allocation failure: Required node not available (down, drained or reserved)' >&2; exit 1")
    check_slurm(SETTINGS, LIMITS, [JOB])


def test_a_wrong_account_is_named_beside_those_that_there_are(program):
    line = error(jobs=[{**JOB, "slurm_account": "ours,else"}])
    assert line.startswith("slurm_account: found else, expected one of yours, me, ours")
    program("sacctmgr", "exit 1")  # its database is away, and sshare knows none: nobody can tell
    check_slurm(SETTINGS, LIMITS, [{**JOB, "slurm_account": "else"}])


def test_a_cluster_without_accounting_is_told_which_flag_to_add(program):
    program("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert "storage is disabled" in (line := error())
    assert line.endswith("add --slurm-status-command squeue")
    check_slurm(SQUEUE, LIMITS, [JOB])


@pytest.mark.parametrize("silent", ["sbatch", "sacct", "sacctmgr"])
def test_a_program_that_does_not_answer_is_not_waited_for(program, silent, monkeypatch):
    monkeypatch.setattr(slurm_check, "PATIENCE", 0.5)
    program(silent, "exec /bin/sleep 60")
    assert error().startswith(f"{silent}: no answer within 0.5 s")


def test_where_the_plugin_chooses_partitions_none_is_tried(program, tmp_path):
    program("sbatch", "exit 1")
    check_slurm(SimpleNamespace(status_command="squeue", partition_config="p.yaml"), LIMITS, [{"slurm_account": "me"}])


def test_the_profile_beside_that_of_one_machine_is_an_error(program):
    assert error(limits=["gpu"]).endswith("expected: snakemake --workflow-profile profiles/slurm")
