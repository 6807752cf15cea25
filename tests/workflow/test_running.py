"""The commands of docs/running.md, each as a dry run, and the profiles of docs/clusters.md."""

import re
import shlex

import pytest
import yaml
from buckets import S3
from studies import ROOT, TINY, Workflow, error_line


def blocks(page: str, language: str = "") -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [block for found, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.M) if found == language]


LINES = [line.partition("  #")[0].strip() for block in blocks("running.md") for line in block.splitlines()]
COMMANDS = list(dict.fromkeys(line for line in LINES if "snakemake" in line.split()))
FILLED = {"<bucket>/<prefix>": "studies/of-tests", "<image>": "of-tests", "<study>": "tiny"}
KEYS = {
    "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "AWS_ACCESS_KEY_ID",
    "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "AWS_SECRET_ACCESS_KEY",
}


@pytest.fixture
def s3():
    server = S3()
    yield server
    server.stop()


def test_the_page_names_extras_that_there_are():
    named = {name for line in LINES for name in re.findall(r"sslfast\[(\w+)\]", line)}
    assert named == {"slurm", "s3", "kubernetes"}
    assert all(f"\n{name} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8") for name in named)


@pytest.mark.parametrize("command", COMMANDS)
def test_snakemake_takes_a_command_of_the_page(command, tmp_path, request):
    study, mine = Workflow(tmp_path / "sslfast"), tmp_path / "my-study"
    study.configure(TINY)
    mine.mkdir()
    (tmp_path / "second").mkdir()
    for placeholder, value in FILLED.items():
        command = command.replace(placeholder, value)
    words = shlex.split(command.replace("~", str(tmp_path)))
    variables = dict(word.split("=", 1) for word in words[: words.index("snakemake")])
    arguments = words[words.index("snakemake") + 1 :]
    if "s3://" in command:
        variables |= request.getfixturevalue("s3").environment
        variables |= {f"SNAKEMAKE_STORAGE_S3_{name}": variables[key] for name, key in KEYS.items()}
    if "CUDA_VISIBLE_DEVICES" in variables:
        variables["CUDA_VISIBLE_DEVICES"] = ""  # here are none of the page's
    where = Workflow.at(mine) if "-s" in arguments else study
    result = where.ask("-n", *arguments, **variables)
    assert result.returncode == 0, result.stderr
    said = "Unlocked working directory" if "--unlock" in arguments else "This was a dry-run"
    assert said in result.stdout + result.stderr


def test_a_study_in_another_folder_writes_nothing_beside_the_snakefile(workflow, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    before = sorted(workflow.folder.rglob("*"))
    result = Workflow.at(tmp_path / "elsewhere").ask("-n", "-s", str(workflow.folder / "Snakefile"))
    assert result.returncode == 0, result.stderr
    assert [path for path in sorted(workflow.folder.rglob("*")) if "elsewhere" not in path.parts] == [
        path for path in before if "elsewhere" not in path.parts
    ]


def test_a_profile_that_is_not_there_is_one_line_where_snakemake_goes_on_without(workflow, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Workflow.at(tmp_path / "elsewhere")
    words = ["-n", "-s", str(workflow.folder / "Snakefile"), "--workflow-profile", "profiles/slurm"]
    line = error_line(elsewhere.run(*words, alone=True))
    assert line.startswith("error: --workflow-profile: found 'profiles/slurm', expected")
    study = workflow.run(*words, "--directory", str(elsewhere.folder), alone=True)  # here it is
    assert study.returncode == 0, study.stderr


@pytest.mark.parametrize("words", ["--configfile config/config.yaml report", "--config seeds=1 plan"])
def test_a_target_behind_a_flag_that_takes_it_is_one_line(workflow, words):
    assert "; a target goes before it: snakemake " in error_line(workflow.ask("-n", *words.split()))


def test_behind_a_config_with_an_equals_sign_a_target_is_a_target(workflow):
    (workflow.folder / "config/other.yaml").write_text(yaml.safe_dump({**TINY, "study": "other"}))
    result = workflow.ask("-n", "--configfile=config/other.yaml", "report")
    assert result.returncode == 0, result.stderr
    assert "report on other" in result.stdout + result.stderr


def test_profiles_for_other_clusters_have_an_executor_and_flags_of_its_name():
    common, *profiles = map(yaml.safe_load, blocks("clusters.md", "yaml"))
    assert "executor" not in common
    assert len(profiles) == 5
    of_snakemake = {"executor", "default-resources", "container-image"}
    for profile in profiles:
        others = {key for key in profile if not key.startswith((f"{profile['executor']}-", "default-storage-"))}
        assert others <= of_snakemake
