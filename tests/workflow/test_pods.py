"""`profiles/kubernetes`, with a stand-in for the cluster: pods that share nothing but a bucket and a volume."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from buckets import PLACE, S3, InBucket
from killed import STUDY, wait_for
from pods import Cluster
from studies import TINY, jobs_of
from test_bucket import BASELINE, PATIENCE

from sslfast.study.records import read_record


class InPods(InBucket):
    flags = (
        *("--workflow-profile", "profiles/kubernetes"),
        *("--default-storage-prefix", PLACE),
        *("--container-image", "of-tests"),
    )


@pytest.fixture
def s3():
    server = S3()
    yield server
    server.stop()


def test_the_profile_plans_a_whole_study(s3, tmp_path):
    study = InPods(tmp_path, s3)
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(TINY))
    planned = study.run("-n")
    assert planned.returncode == 0, planned.stderr
    assert jobs_of(planned.stdout + planned.stderr)["classify"] == 4
    assert s3.names() == []


def limits(job: dict) -> dict[str, str]:
    """The limits of a pod that was asked for."""
    return job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]


@pytest.mark.long
def test_a_pod_that_is_evicted_goes_on_in_another_from_its_checkpoint(s3, tmp_path):
    volume, tools = tmp_path / "volume", tmp_path / "tools"
    tools.mkdir()
    (tools / "pip").write_text("#!/bin/sh\nexit 0\n")  # the image has the plugin's packages, and so has this machine
    (tools / "pip").chmod(0o755)
    in_image = {
        "PATH": f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SSLFAST_CHECKPOINTS": str(volume / "checkpoints"),
        "SSLFAST_DATA": str(volume / "data"),
    }
    cluster = Cluster(tmp_path / "cluster", in_image)
    try:
        study = InPods(tmp_path / "study", s3)
        (study.folder / "config/config.yaml").write_text(yaml.safe_dump(STUDY))
        for name, of_aws in {"ACCESS_KEY": "ACCESS_KEY_ID", "SECRET_KEY": "SECRET_ACCESS_KEY"}.items():
            study.environment[f"SNAKEMAKE_STORAGE_S3_{name}"] = study.environment.pop(f"AWS_{of_aws}")
        for what in (["init", "--quiet"], ["add", "--all"]):  # Snakemake sends pods what git knows
            subprocess.run(["git", *what], cwd=study.folder, check=True)
        study.environment["KUBECONFIG"] = str(cluster.kubeconfig)
        snakemake = study.start(f"{BASELINE}.json", "--seconds-between-status-checks", "1")
        checkpoint = volume / "checkpoints/tiny/supervised/conv-l0.3-s0/checkpoint.safetensors"
        wait_for(lambda: checkpoint.exists() or snakemake.poll() is not None, PATIENCE)
        assert checkpoint.exists(), (study.folder / "output.txt").read_text()
        cluster.evict(list(cluster.pods)[-1])
        assert snakemake.wait() == 0, (study.folder / "output.txt").read_text()
    finally:
        cluster.stop()
    there = s3.fetch(tmp_path / "fetched")
    assert read_record(there / f"{BASELINE}.json").status == "ok"
    text = (there / "results/tiny/logs/supervised/conv-l0.3-s0.log").read_text()
    assert "goes on after epoch" in text
    assert len(cluster.asked) == 4  # images, split, supervised and supervised once more
    pod = cluster.asked[-1]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "of-tests"
    assert {"mountPath": "/scratch", "name": "sslfast"} in pod["containers"][0]["volumeMounts"]
    first, second = (limits(job)["memory"] for job in cluster.asked[-2:])
    assert first.endswith("M") and int(first[:-1]) > 1000
    assert int(second[:-1]) == 2 * int(first[:-1])  # in case that it ended for want of memory
