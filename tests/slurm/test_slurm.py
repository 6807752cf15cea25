"""A study through a real SLURM: what its jobs ask for, and what becomes of one that is cancelled in mid-training."""

import re

from conftest import RECORDS, STUDY, trained


def test_records_are_those_of_a_local_run_bit_for_bit_though_a_job_was_cancelled_in_mid_training(through, local):
    folder, snakemake = local
    assert snakemake.wait(600) == 0, (folder / "output.txt").read_text()
    expected, found = (trained(place) for place in (folder, through.folder))
    assert len(expected) == 4 + 3 + 1 + 1 + 1  # records, predictions, pictures, encoder, split
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == expected[name], name


def test_a_cancelled_job_goes_on_after_its_last_epoch(through):
    assert len(through.cancelled) == 1
    text = through.log.read_text()
    after = int(re.search(r"goes on after epoch (\d+) of", text)[1])
    assert 3 <= after < STUDY["pretrain"]["epochs"]
    assert re.findall(r"^epoch (\d+) of", text, re.MULTILINE)[-1] == str(STUDY["pretrain"]["epochs"])


def test_a_retry_asks_for_more_time_and_memory(through):
    first, second = sorted(through.submissions("pretrain"), key=lambda job: int(job["JobId"]))
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert minutes(second) == 2 * minutes(first)
    assert abs(megabytes(second) - 2 * megabytes(first)) <= 1  # each is rounded for itself


def test_jobs_get_a_gpu_each_side_by_side(through):
    pretrain, supervised = (through.submissions(rule)[0] for rule in ("pretrain", "supervised"))
    assert pretrain["TresPerJob"] == supervised["TresPerJob"] == "gres:gpu:1"
    assert max(pretrain["StartTime"], supervised["StartTime"]) < min(pretrain["EndTime"], supervised["EndTime"])
    assert all("TresPerJob" not in job for job in through.submissions("prepare") + through.submissions("cells"))


def test_what_is_short_is_one_submission_that_does_one_job_after_the_other(through):
    submitted = sorted(job["Comment"].split("_wildcards")[0] for job in through.jobs)
    groups = ["rule_cells_classify", "rule_prepare_images_split"]
    assert submitted == sorted([*groups, "rule_pretrain", "rule_pretrain", "rule_supervised"])
    cells, prepare = (through.submissions(group)[0] for group in ("cells", "prepare"))
    assert minutes(prepare) == 60 + 10
    assert minutes(cells) == 2 * (10 + 1)
    assert cells["NumCPUs"] == "1"
    begun = [
        log.read_text().split("  ")[0] for log in sorted((through.folder / "results/tiny/logs/classify").iterdir())
    ]
    assert len(set(begun)) == 2


def test_a_partition_that_is_not_there_is_said_before_anything_is_submitted_and_the_next_call_runs(through):
    assert through.refused.returncode == 1
    lines = [line for line in through.refused.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert lines[0].startswith("error: sbatch: SLURM would not take a job with --partition=nowhere")
    assert through.left == []
    assert all((through.folder / record).exists() for record in RECORDS)


def test_a_cluster_without_accounting_is_noticed_before_anything_waits_for_ever(cluster, through):
    call = ["--workflow-profile", "profiles/slurm", "--forceall"]
    result = through.workflow.run(*call, **cluster.environment)
    assert result.returncode == 1
    assert "error: sacct: Slurm accounting storage is disabled" in result.stderr
    assert "add --slurm-status-command squeue" in result.stderr


def minutes(job: dict[str, str]) -> int:
    hours, minutes, _ = job["TimeLimit"].split(":")
    return 60 * int(hours) + int(minutes)


def megabytes(job: dict[str, str]) -> int:
    return int(re.fullmatch(r"(\d+)M", job["MinMemoryNode"])[1])
