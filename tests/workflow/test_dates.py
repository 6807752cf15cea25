"""Dates make nothing run again, with real git: contents do, of code as of files."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from reruns import END
from studies import TINY, Workflow

TOUCHED = 'print("another script")\n'
WITHOUT = ["--workflow-profile", "none", "--cores", "1"]
PROFILES = [[], WITHOUT, ["--workflow-profile", "profiles/slurm"]]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Workflow:
    """A clone in which Snakemake takes the tiny study for finished, its commit before had other scripts."""
    folder = tmp_path_factory.mktemp("dates") / "repository"
    workflow = Workflow(folder)
    (folder / ".gitignore").write_text("results/\nreports/\n.snakemake/\n")
    workflow.configure(TINY)
    scripts = folder / "workflow/scripts"
    now = {path: path.read_text() for path in scripts.glob("*.py")}
    git(folder, "init", "--quiet")
    for extra in (TOUCHED, ""):
        for path, text in now.items():
            path.write_text(text + extra)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "scripts")
    workflow.pretend(TINY)
    return workflow


@pytest.fixture
def study(repository, tmp_path) -> Workflow:
    """A copy of one's own, dates and all."""
    return Workflow.at(Path(shutil.copytree(repository.folder, tmp_path / "copy", symlinks=True)))


def test_a_checkout_and_back_reruns_nothing_with_or_without_a_profile(study):
    git(study.folder, "checkout", "--quiet", "HEAD~1")
    git(study.folder, "checkout", "--quiet", "-")
    for profile in PROFILES:
        assert study.planned(*profile, config=TINY) == {}, profile


def test_in_a_fresh_clone_copied_results_are_taken_whatever_their_dates(study, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(study.folder), str(clone))
    for name in ("results", "reports", ".snakemake"):
        shutil.copytree(study.folder / name, clone / name, copy_function=shutil.copy)  # new dates
    files = [path for path in (clone / "results").rglob("*.*") if path.is_file()]
    for age, path in enumerate(random.Random(0).sample(files, len(files))):
        os.utime(path, (10**9 + age, 10**9 + age))
    assert Workflow.at(clone).planned(config=TINY) == {}


def test_a_comment_in_a_script_reruns_nothing_and_code_what_the_script_makes(study):
    scripts = study.folder / "workflow/scripts"
    for name, added, jobs in (
        ("classify", "# a comment\n", {}),
        ("report", TOUCHED, {"report": 1}),
        ("classify", TOUCHED, {"classify": 4, **END}),
    ):
        before = (scripts / f"{name}.py").read_text()
        (scripts / f"{name}.py").write_text(before + added)
        for profile in PROFILES[:2]:
            assert study.planned(*profile, config=TINY) == jobs, (name, profile)
        (scripts / f"{name}.py").write_text(before)
