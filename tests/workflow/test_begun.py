"""Where the training jobs of a study begin: in forks of one process, or each in a process that imports torch."""

import re
import sys
from pathlib import Path

import pytest
from killed import results
from killing import ended
from studies import TINY, Workflow

from sslfast.runtime.job_client import SERVER

SMALL = {**TINY, "unlabelled": [0.2], "labelled": [0.1]}  # an encoder, a cell, a baseline, of the tiny study


def forked_by(folder: Path) -> list[int]:
    """Of which processes the training jobs were forks."""
    logs = [
        log for rule in ("pretrain", "classify", "supervised") for log in folder.glob(f"results/tiny/logs/{rule}/*")
    ]
    return [int(number) for log in logs for number in re.findall(r"a fork of (\d+)\n", log.read_text())]


@pytest.mark.skipif(sys.platform != "linux", reason="jobs begin in forks on Linux")
def test_jobs_that_begin_in_forks_of_one_process_leave_the_same_records(finished, workflow: Workflow):
    forks = forked_by(finished.folder)
    assert (len(forks), len(set(forks))) == (2 + 4 + 2, 1)
    assert ended(forks[0]), "with Snakemake"
    done = workflow.run("--until", "classify", "supervised", config=SMALL, **{SERVER: "off"})
    assert done.returncode == 0, done.stderr
    assert forked_by(workflow.folder) == []
    apart, of_forks = results(workflow.folder), results(finished.folder)
    assert len(apart) == 3 + 2 + 1 + 1 + 1  # records, predictions, pictures, encoder, split
    assert {name: of_forks[name] for name in apart} == apart
