"""Several GPUs, and none, under real Snakemake: how many jobs run at once, and on which GPU each.

There need be no GPU here: `nvidia-smi` is a script that tells of four, and the jobs note what CUDA would see.
"""

import os
import re
from collections import Counter

import pytest
import yaml
from grids import checked
from nvidia import listing, machine_with, uuid
from studies import FORKS, TINY, error_line

SNAKEFILE = """
from sslfast.runtime.device import gpu_here

configfile: "config.yaml"

rule all:
    input: expand("made/{n}", n=range(config["toy"]["n"]))

rule train:
    output: "made/{n}"
    log: "logs/{n}.log"
    retries: 1
    resources: gpu=int(gpu_here(config["device"]))
    script: "train.py"
"""
# What Snakemake will count, told by a study's own Snakefile: a dry run shows messages in place of resources.
ASKS = """
for rule_ in workflow.rules:
    print(f"{rule_.name} asks for {rule_.resources.get('gpu').value} GPUs", file=sys.stderr)
"""
TRAIN = ["pretrain", "shuffle", "classify", "supervised", "plan"]  # a plan tries what the others do
# A job fails if more than may be are on its GPU. The first ones hold theirs until `together` have begun, and `waiting`
# others say that they wait. Jobs in `die` are killed, once.
SCRIPT = """
import os, time
from pathlib import Path
from sslfast.runtime.jobs import perform

def all_there(toy):
    waiting = [log for log in Path("logs").iterdir() if "waits for a GPU: each of the 4 here" in log.read_text()]
    return len(list(Path("begun").iterdir())) >= toy["together"] and len(waiting) >= toy["waiting"]

def work(job):
    toy, n, gpu = job.study.section("toy"), job.wildcards.n, os.environ.get("CUDA_VISIBLE_DEVICES", "none")
    Path("begun", n).touch()
    (mine := Path("at work", f"{gpu} {n}")).touch()
    others = [path.name for path in mine.parent.iterdir() if path.name.startswith(gpu)]
    if gpu.startswith("GPU-") and len(others) > job.study.jobs_per_gpu:
        raise RuntimeError(f"at once: {others}")
    end = time.monotonic() + 100
    while not Path("seen").exists():
        if all_there(toy):
            Path("seen").touch()
        elif time.monotonic() > end:
            raise RuntimeError("the others did not come")
        time.sleep(0.01)
    mine.unlink()
    if n in toy["die"] and not Path("died", n).exists():
        Path("died", n).touch()
        os.kill(os.getpid(), 9)
    Path(job.output[0]).write_text(gpu)

perform(snakemake, work)
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Run jobs on a machine with four GPUs; what CUDA saw in each, and their logs."""
    machine_with(monkeypatch, tmp_path / "machine", listing(4))
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "train.py").write_text(SCRIPT)
    for name in ("begun", "at work", "died"):
        (tmp_path / name).mkdir()

    def run(gpu, cores=8, jobs_per_gpu=1, device="cuda", **changes):
        toy = {"n": 8, "together": 4, "waiting": 0, "die": [], **changes}
        study = checked(jobs_per_gpu=jobs_per_gpu, device=device)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**study.as_config(), "toy": toy}))
        arguments = ["--cores", str(cores), "--resources", f"gpu={gpu}"]
        done = FORKS.call(tmp_path, arguments, dict(os.environ))
        assert done.returncode == 0, done.stderr
        return [[path.read_text() for path in (tmp_path / name).iterdir()] for name in ("made", "logs")]

    return run


def test_four_jobs_at_once_use_four_gpus(jobs):
    seen, logs = jobs(gpu=4)
    assert len(seen) == 8
    assert set(seen) == {uuid(i) for i in range(4)}
    assert not any("waits for a GPU" in log for log in logs)
    assert all(re.search(rf"on the GPU {gpu} \(NVIDIA A100-SXM4-40GB\)", "".join(logs)) for gpu in seen)


def test_more_jobs_than_gpus_wait_and_those_that_are_killed_give_theirs_back(jobs):
    seen, _ = jobs(gpu=8, together=4, waiting=4, die=["1", "5"])
    assert len(seen) == 8
    assert set(seen) <= {uuid(i) for i in range(4)}


def test_two_jobs_share_a_gpu_where_the_config_says_so(jobs):
    seen, _ = jobs(gpu=8, jobs_per_gpu=2, together=8)
    assert Counter(seen) == {uuid(i): 2 for i in range(4)}


def test_jobs_share_out_the_gpus_that_cuda_visible_devices_names(jobs, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    seen, _ = jobs(gpu=2, n=4, together=2)
    assert set(seen) == {"1", "3"}


def test_without_a_gpu_all_cores_are_used_whatever_resources_says(jobs, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    seen, _ = jobs(gpu=1, cores=3, n=3, device="auto", together=3)  # each waits for the other two
    assert len(seen) == 3


def test_the_study_asks_for_gpus_where_there_are_some_alone(workflow):
    with open(workflow.folder / "Snakefile", "a") as file:
        file.write(ASKS)
    asks = {}
    for device in ("auto", "cuda"):
        result = workflow.ask("-n", "--resources", "gpu=1", config={**TINY, "device": device}, CUDA_VISIBLE_DEVICES="")
        assert result.returncode == 0, result.stderr
        asks[device] = dict(re.findall(r"^(\w+) asks for (\d) GPUs$", result.stderr, re.MULTILINE))
    assert asks["auto"] == dict.fromkeys(TRAIN, "0")
    assert asks["cuda"] == dict.fromkeys(TRAIN, "1")


def test_a_gpu_that_does_not_exist_is_one_line_before_anything_is_written(workflow, monkeypatch):
    machine_with(monkeypatch, workflow.folder / "machine", listing(2))
    result = workflow.ask(config={**TINY, "device": "cuda"}, CUDA_VISIBLE_DEVICES="0,7")
    assert "CUDA_VISIBLE_DEVICES: found '7', expected some of 0 (NVIDIA A100-SXM4-40GB), 1 (" in error_line(result)
    assert not (workflow.folder / "results").exists()


def test_without_a_gpu_device_cuda_is_one_line_and_costs_no_cell(workflow):
    config = {**TINY, "unlabelled": [0], "labelled": [0.5]}
    result = workflow.run(config={**config, "device": "cuda"}, CUDA_VISIBLE_DEVICES="")
    assert error_line(result).startswith("error: device: found cuda, but torch ")
    assert not list((workflow.folder / "results/tiny").rglob("records/**/*.json"))
    planned = workflow.planned(config=config)
    assert planned["pretrain"] == planned["classify"] == planned["supervised"] == 1


def test_a_job_that_is_not_given_a_gpu_gets_none(jobs):
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    seen, _ = jobs(gpu=1, n=2, device="cpu", together=2)
    assert seen == ["none", "none"]
