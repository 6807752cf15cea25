"""Fixtures: a copy of the workflow, and a tiny study that was run once for all tests that only look at it."""

import pytest
from studies import TINY, Workflow


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
def pretended(tmp_path_factory) -> Workflow:
    """A tiny study that Snakemake takes for finished, for plans only."""
    workflow = Workflow(tmp_path_factory.mktemp("pretended"))
    workflow.pretend(TINY)
    return workflow
