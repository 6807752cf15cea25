"""Where the training jobs of a study begin: in forks of one process, or each in a process that imports torch."""

import re
import sys
from pathlib import Path

import pytest
from killed import results
from killing import ended
from studies import TINY, Workflow

from sslfast.runtime.job_client import SERVER

SMALL = {**TINY, "labelled": [0.1]}  # two encoders, two cells, a baseline


def forked_by(folder: Path) -> list[int]:
    """Of which processes the training jobs were forks."""
    logs = [
        log for rule in ("pretrain", "classify", "supervised") for log in folder.glob(f"results/tiny/logs/{rule}/*")
    ]
    return [int(number) for log in logs for number in re.findall(r"a fork of (\d+)\n", log.read_text())]


@pytest.mark.skipif(sys.platform != "linux", reason="jobs begin in forks on Linux")
def test_jobs_that_begin_in_forks_of_one_process_leave_the_same_records(tmp_path):
    made, parents = [], []
    for name, environment in (("forks", {}), ("apart", {SERVER: "off"})):
        (tmp_path / name).mkdir()
        workflow = Workflow(tmp_path / name)
        done = workflow.run("--cores", "2", config=SMALL, **environment)
        assert done.returncode == 0, done.stderr
        made.append(results(workflow.folder))
        parents.append(forked_by(workflow.folder))
    assert made[0] == made[1]
    forks, apart = parents
    assert (len(forks), len(set(forks)), apart) == (5, 1, [])
    assert ended(forks[0]), "with Snakemake"
