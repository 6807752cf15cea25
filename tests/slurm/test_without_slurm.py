"""What is said where there is no SLURM: to somebody who runs tests, and to somebody who asks for the profile."""

import os
import platform
import shutil
import subprocess

import cluster
import pytest
from studies import TINY, Workflow, error_line

# a plugin is found by its name among all modules: this hides it, as if it were not installed
HIDE = """
import pkgutil
every = pkgutil.iter_modules
pkgutil.iter_modules = lambda *args, **kwargs: (
    module for module in every(*args, **kwargs) if not module.name.startswith("snakemake_executor_plugin_slurm")
)
"""


@pytest.mark.parametrize(
    ("system", "user", "found", "reason"),
    [
        ("Darwin", 0, [], "SLURM's daemons need Linux, this is Darwin"),
        ("Linux", 1000, [], "SLURM's daemons are started by root only, and this user is not root"),
        ("Linux", 0, cluster.PROGRAMS[1:], "munged not found, and no apt-get to install slurm-wlm and munge"),
        ("Linux", 0, cluster.PROGRAMS, None),
    ],
)
def test_one_line_says_why_there_is_no_cluster(monkeypatch, system, user, found, reason):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in found else None)
    assert cluster.why_not() == reason


def test_one_line_says_what_accounting_lacks(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in (*cluster.PROGRAMS, "sacct") else None)
    assert cluster.why_not() is None
    assert cluster.why_not(accounting=True).startswith("slurmdbd, mariadbd, mariadb-install-db, my_print_defaults not")


def test_a_failed_installation_is_a_reason_in_apts_words(monkeypatch):
    failed = subprocess.CompletedProcess([], 100, "", "E: one thing\nE: Unable to fetch some archives\n")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "apt-get" else None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    assert cluster.why_not() == "apt-get could not install slurm-wlm and munge: E: Unable to fetch some archives"


def test_the_profile_without_its_plugin_is_one_line_and_starts_nothing(tmp_path):
    workflow = Workflow(tmp_path)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(HIDE)
    paths = os.pathsep.join([str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = workflow.run("--workflow-profile", "profiles/slurm", config=TINY, PYTHONPATH=paths)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert line.startswith(
        "error: profiles/slurm: found no snakemake-executor-plugin-slurm, expected Snakemake's plugin;"
    )
    assert line.endswith("pip install 'sslfast[slurm]'")
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / ".snakemake").exists()


SLURM = ("sbatch", "squeue", "scancel", "sinfo", "sacct", "sacctmgr", "sshare")
HALVES = {  # which commands there are and what they do; flags; what is said
    "none": ({}, [], "sbatch, squeue, scancel, sinfo, sacctmgr, sacct: not found here"),
    "no sacct": ({name: "exit 0" for name in SLURM if name != "sacct"}, [], "sacct: not found here"),
    "a wrong partition": (
        dict.fromkeys(SLURM, "exit 0") | {"sbatch": "echo invalid partition >&2; exit 1"},
        ["--default-resources", "slurm_partition=nowhere"],
        "sbatch: SLURM would not take a job with --partition=nowhere",
    ),
    "a wrong account": (
        dict.fromkeys(SLURM, "exit 0") | {"sacctmgr": "echo ours"},
        ["--default-resources", "slurm_account=theirs"],
        "slurm_account: found theirs, expected one of yours, ours",
    ),
    "no accounting": (
        dict.fromkeys(SLURM, "exit 0") | {"sacct": "echo storage is disabled >&2; exit 1"},
        [],
        "sacct: storage is disabled; so nobody can be asked how a job ended",
    ),
}


@pytest.mark.parametrize("what", HALVES)
def test_half_of_slurm_is_one_line_and_locks_nothing(what, tmp_path):
    workflow = Workflow(tmp_path / "study")
    commands, flags, said = HALVES[what]
    (folder := tmp_path / "commands").mkdir()
    for name in ("sh", "which"):
        (folder / name).symlink_to(shutil.which(name))
    for name, script in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    status = ["--slurm-status-command", "sacct"]  # which the plugin would find out from what there is
    call = ["--workflow-profile", "profiles/slurm", *status, *flags]
    line = error_line(workflow.ask(*call, config=TINY, PATH=str(folder)))
    assert line.startswith(f"error: {said}")
    assert not (workflow.folder / "results").exists()
    locks = workflow.folder / ".snakemake/locks"
    assert not locks.exists() or not list(locks.iterdir())
