"""The workflow as a module of another one (https://snakemake.readthedocs.io/en/stable/snakefiles/modularization.html)."""

import pytest
import yaml
from studies import TINY, Workflow

PARENT = """
configfile: "config.yaml"

module one:
    snakefile: "{snakefile}"
    config: {one}

use rule * from one as one_*

module two:
    snakefile: "{snakefile}"
    prefix: "inner"
    config: {two}

use rule * from two as two_*

rule both:
    default_target: True
    input: rules.one_all.input, rules.two_all.input
"""


@pytest.fixture
def parent(workflow, tmp_path) -> Workflow:
    """A workflow in another folder, with a config and a study of its own, that has two studies as modules."""
    folder = tmp_path / "parent"
    folder.mkdir()
    one, two = ({**TINY, "study": name, "seeds": n, "labelled": [0.1]} for name, n in (("first", 1), ("second", 2)))
    snakefile = PARENT.format(snakefile=workflow.folder / "Snakefile", one=one, two=two)
    (folder / "Snakefile").write_text(snakefile)
    (folder / "config.yaml").write_text(yaml.safe_dump({"study": "of the parent", "dataset": "none that there is"}))
    return Workflow.at(folder)


def test_two_studies_stand_in_one_workflow_each_by_its_own_name(parent):
    result = parent.ask("-n")
    assert result.returncode == 0, result.stderr
    said = result.stdout + result.stderr
    for name in ("first", "second"):
        assert f"report on {name}\n" in said and f"collect the records of {name}\n" in said
    assert said.count(": split digits, seed 0\n") == 2 and said.count(": split digits, seed 1\n") == 1
    assert "inner/reports/second/report.html" in said and "results/first/images.json" in said
    assert "of the parent" not in said


def test_a_module_without_a_config_is_the_study_beside_its_snakefile(workflow, tmp_path):
    workflow.configure({**TINY, "study": "usual"})
    (tmp_path / "parent").mkdir()
    text = f"module one:\n    snakefile: '{workflow.folder}/Snakefile'\n\nuse rule * from one as one_*\n"
    (tmp_path / "parent/Snakefile").write_text(text)
    result = Workflow.at(tmp_path / "parent").ask("-n")
    assert result.returncode == 0, result.stderr
    assert "report on usual" in result.stdout + result.stderr


@pytest.mark.long
def test_two_studies_of_one_workflow_run_and_are_finished(parent):
    result = parent.run("--cores", "2")
    assert result.returncode == 0, result.stderr
    for page, name in (("reports/first", "first"), ("inner/reports/second", "second")):
        assert "what is unlabelled data worth?" in (parent.folder / page / "report.html").read_text(), name
    assert parent.planned(config=None) == {}
