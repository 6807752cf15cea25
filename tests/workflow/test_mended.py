"""Two commands of Snakemake: which files changed, and unit tests of a study whose config is elsewhere."""

import shutil
from pathlib import Path

import pytest
import yaml
from studies import TINY, Workflow


@pytest.fixture
def study(pretended, tmp_path) -> Workflow:
    return Workflow.at(Path(shutil.copytree(pretended.folder, tmp_path / "study", symlinks=True)))


def listed(study: Workflow, kind: str, config: dict) -> set[str]:
    result = study.ask("--list-changes", kind, config=config)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def rewritten(study: Workflow, config: dict) -> set[str]:
    """The outputs of all jobs that would run."""
    rows = [line.split("\t") for line in study.ask("--summary", config=config).stdout.splitlines()[1:]]
    return {row[0] for row in rows if row[-1] == "update pending"}


def test_what_is_up_to_date_is_not_listed_as_changed(study):
    for script in (study.folder / "workflow/scripts").iterdir():
        script.touch()
    assert rewritten(study, TINY) == set()
    assert {kind: listed(study, kind, TINY) for kind in ("params", "code", "input")} == {
        "params": set(),
        "code": set(),
        "input": set(),
    }


@pytest.mark.parametrize("change", [{"classify": {"epochs": 3}}, {"pretrain": {"epochs": 2}}, {"title": "Another"}])
def test_after_a_change_what_is_listed_is_what_would_be_made(study, change):
    config = {**TINY, **change}
    assert listed(study, "params", config) == rewritten(study, config) != set()
    assert listed(study, "code", config) == set()


def test_a_larger_grid_is_listed_by_the_files_whose_inputs_are_more(study):
    config = {**TINY, "labelled": [0.1, 0.3, 0.5]}
    found = listed(study, "input", config)
    assert "results/tiny/tables/cells.parquet" in found
    assert found < rewritten(study, config)


@pytest.mark.parametrize("where", ["config", "workflow"])
def test_unit_tests_are_generated_wherever_the_config_or_the_workflow_is(study, where):
    elsewhere = study.folder.parent / "elsewhere"
    elsewhere.mkdir()
    if where == "config":
        (elsewhere / "mine.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
        words, named = ["--configfile", "../elsewhere/mine.yaml"], "../elsewhere/mine.yaml"
    else:
        for name in ("workflow", "Snakefile", "profiles"):
            shutil.move(study.folder / name, elsewhere / name)
        words, named = ["-s", "../elsewhere/Snakefile"], "../elsewhere/Snakefile"
    result = study.run("--generate-unit-tests", *words, alone=True)
    assert result.returncode == 0, result.stderr
    made = {path.stem for path in (study.folder / ".tests/unit").glob("test_*.py")}
    assert {"test_images", "test_split", "test_classify", "test_report"} <= made
    assert f'"{named}"' in (study.folder / ".tests/unit/test_split.py").read_text(encoding="utf-8")
