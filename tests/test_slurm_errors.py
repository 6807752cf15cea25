"""What a person reads where a cluster cannot run the study as it is called."""

import pytest

from sslfast.errors import SslfastError
from sslfast.slurm import check_slurm, refusals

# as Snakemake 9.27 writes it: the first group was refused, the second ran and failed, so has a log
LOG = """
[Wed Nov 25 23:18:12 2026]
    message: Error in group cells
    jobs:
        rule classify:
            jobid: 5
            output: results/tiny/records/classify/a.json
[Wed Nov 25 23:18:14 2026]
    message: Error in group prepare
    log: .snakemake/slurm_logs/group_prepare/1.log (check log file(s) for error details)
    jobs:
        rule images:
            jobid: 1
"""


@pytest.fixture
def sacct(tmp_path, monkeypatch):
    """`sacct` of a cluster, ending as told."""

    def make(said, code):
        program = tmp_path / "sacct"
        program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


def test_a_refused_group_is_named_once_and_one_that_ran_is_not():
    lines = refusals(LOG + LOG)
    assert len(lines) == 1
    assert lines[0].startswith("error: SLURM did not take the group cells, and nothing of it is lost")
    assert "\n" not in lines[0]
    assert refusals("Finished jobid: 5 (Rule: classify)") == []


def test_a_cluster_without_accounting_is_told_which_flag_to_add(sacct):
    sacct("Slurm accounting storage is disabled", 1)
    with pytest.raises(SslfastError, match=r"storage is disabled.* add --slurm-status-command squeue"):
        check_slurm("sacct", ["gpu", "turn"])
    check_slurm("squeue", ["gpu", "turn"])


def test_a_cluster_with_accounting_is_asked_and_taken_at_its_word(sacct):
    sacct("", 0)
    check_slurm("sacct", ["gpu", "turn"])


def test_the_profile_beside_that_of_one_machine_is_an_error():
    with pytest.raises(SslfastError, match=r"expected: snakemake --workflow-profile profiles/slurm"):
        check_slurm("squeue", ["gpu"])
