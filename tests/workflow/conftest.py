"""Fixtures: a copy of the workflow, and a tiny study that was run once for all tests that only look at it."""

import pytest
from studies import HALVED, TINY, Workflow
from test_killed import STUDY, results


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The tiny study, run once by plain `snakemake`, with a temporary folder and a data root of its own."""
    workflow = Workflow(tmp_path_factory.mktemp("study"))
    for name in ("tmp", "data"):
        (workflow.folder / name).mkdir()
    own = {"TMPDIR": str(workflow.folder / "tmp"), "SSLFAST_DATA": str(workflow.folder / "data")}
    result = workflow.run(config=TINY, **own)
    assert result.returncode == 0, result.stderr
    workflow.output = result.stdout + result.stderr
    return workflow


@pytest.fixture(scope="session")
def halved(tmp_path_factory) -> Workflow:
    """A study by updates, run once, that checks its length: with runs of half of it, and of equal passes."""
    workflow = Workflow(tmp_path_factory.mktemp("halved"))
    result = workflow.run(config=HALVED)
    assert result.returncode == 0, result.stderr
    return workflow


@pytest.fixture(scope="session")
def pretended(tmp_path_factory) -> Workflow:
    """A tiny study that Snakemake takes for finished, for plans only."""
    workflow = Workflow(tmp_path_factory.mktemp("pretended"))
    workflow.pretend(TINY)
    return workflow


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """What the study of `test_killed` makes one job after the other, without a break."""
    workflow = Workflow(tmp_path_factory.mktemp("unbroken"))
    result = workflow.run("--cores", "1", config=STUDY)
    assert result.returncode == 0, result.stderr
    made = results(workflow.folder)
    assert len(made) == 3 + 2 + 1 + 1 + 1  # records, predictions, pictures, encoder, split
    return made
