"""Whoever types a target behind `--configfile` or `--config`, which take it, is told in one line where it goes."""

import os
from pathlib import Path

import pytest
import yaml

from sslfast.cluster.command_line import check_command_line, check_workflow_profile
from sslfast.errors import SslfastError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.yaml", "two.yaml"):
        Path(name).write_text("study: one\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--configfile one.yaml report", "--configfile: found 'report', expected a file"),
        ("-n --configfile one.yaml plan --cores 2", "--configfile: found 'plan', expected a file"),
        ("--configfiles one.yaml two.yaml report", "--configfile: found 'report', expected a file"),
        ("--config seeds=1 report", "--config: found 'report', expected key=value"),
        ("-C seeds=1 device=cpu plan", "--config: found 'plan', expected key=value"),
    ],
)
def test_a_target_that_a_flag_took_is_one_line_with_a_command_that_is_right(words, said):
    with pytest.raises(SystemExit) as caught:
        check_command_line(words.split())
    line, _, better = str(caught.value).partition("; a target goes before it: snakemake ")
    assert line == f"error: {said}"
    check_command_line(better.split())
    assert better.split()[0] in ("report", "plan")


@pytest.mark.parametrize("flag", ["--configfile gone.yaml", "--configfile=gone.yaml"])
def test_a_config_that_is_not_there_is_one_line(flag):
    with pytest.raises(SystemExit, match=r"^error: --configfile: found 'gone\.yaml', expected a file$"):
        check_command_line([*flag.split(), "-n"])


def test_a_tilde_that_the_shell_left_is_told_of():
    with pytest.raises(SystemExit, match=r"'~/one\.yaml', expected a file; a shell leaves ~ behind = as it is"):
        check_command_line(["--configfile=~/one.yaml"])


def test_a_pipe_is_as_good_as_a_file_and_a_folder_is_not():
    os.mkfifo("pipe")
    check_command_line(["--configfile", "pipe"])
    os.mkdir("folder")
    with pytest.raises(SystemExit, match=r"found .folder., expected a file$"):
        check_command_line(["--configfile", "folder"])


@pytest.mark.parametrize(
    "words",
    [
        "",
        "report --configfile one.yaml",
        "--configfile one.yaml -n report",
        "--configfile=one.yaml report",
        "--configfile one.yaml -- report",
        "--cores 2 --resources gpu=1 --config seeds=1 folder=a=b --configfile one.yaml two.yaml",
        "--config -n",
    ],
)
def test_nothing_is_said_of_words_that_stand_where_they_belong(words):
    check_command_line(words.split())


def test_each_profile_that_takes_the_place_of_another_looks_at_the_command_line():
    """profiles/s3 is read beside profiles/default."""
    for name in ("default", "slurm", "kubernetes"):
        profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))
        assert "check_command_line()" in profile["__definitions__"] and profile["__use_yte__"] is True


@pytest.mark.parametrize("name", ["profiles/slurm", "mine", "profiles/default", "none", "../there/mine.yaml"])
def test_a_profile_is_looked_for_where_snakemake_does(name, tmp_path):
    """In the folder of the call, in its `profiles`, and in those beside the Snakefile, by name alone."""
    here, beside = tmp_path / "here", tmp_path / "there"
    for folder in (here / "profiles/mine", here / "profiles/default", beside / "profiles/slurm"):
        folder.mkdir(parents=True)
    (beside / "mine.yaml").touch()
    words = ["--cores", "2", "--workflow-profile", name]
    if name == "profiles/slurm":
        with pytest.raises(SslfastError) as caught:
            check_workflow_profile([here], beside, words)
        assert str(caught.value).startswith("--workflow-profile: found 'profiles/slurm', expected a folder here, or ")
        assert str(caught.value).endswith(f"{beside}/profiles: slurm")
        check_workflow_profile([here], beside, [*words[:-1], "slurm"])
    else:
        check_workflow_profile([here], beside, words)
