"""A study leaves its results and nothing else: no temporary files, locks or processes, and Snakemake does not grow."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
import yaml
from studies import TINY, Workflow

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux to see all processes")

JOBS_A_SEED = 1 + 2 + 4 + 2


def left_over(workflow: Workflow) -> list[str]:
    """Files in places where nothing may stay, and files of the study that nobody asked for."""
    folder = workflow.folder
    found = [
        path
        for name in ("locks", "incomplete", "scripts", "shadow", "iocache")
        for path in files(folder / ".snakemake" / name)
    ]
    found += files(folder / "tmp")
    # what decoding leaves: the store, with a sum of each image, and the lock that keeps others from decoding meanwhile
    store = [path for path in files(folder / "data") if path.parent.name.startswith("digits-")]
    locks = [path for path in files(folder / "data") if path.suffix == ".lock"]
    assert (len(store), len(locks)) == (7, 1)
    found += set(files(folder / "data")) - set(store) - set(locks)
    kinds = {"splits": {".parquet"}, "encoders": {".safetensors"}, "records": {".json", ".npy"}, "logs": {".log"}}
    kinds |= {"tables": {".parquet", ".csv"}, "images.json": {".json"}}
    kinds |= {"pictures": {".npz"}, "examples.npz": {".npz"}}
    results = folder / "results/tiny"
    found += [p for p in files(results) if p.suffix not in kinds.get(p.relative_to(results).parts[0], ())]
    found += [path for path in files(results) if path.name.startswith(".")]
    return [str(path.relative_to(folder)) for path in found]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def processes_with(variable: str, value: str) -> list[psutil.Process]:
    """Processes that were started, by whomever, with this in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_study_leaves_its_results_and_nothing_else(finished):
    assert finished.ask().returncode == 0  # what a dry run (of another test) notes for the next call goes with that
    assert left_over(finished) == []
    assert processes_with("SSLFAST_DATA", str(finished.ran_in / "data")) == []


@pytest.mark.long
def test_a_study_of_a_thousand_jobs_leaves_nothing_and_snakemake_does_not_grow(tmp_path):
    """SSLFAST_TEST_SEEDS=12 makes it a study of 111 jobs."""
    seeds = int(os.environ.get("SSLFAST_TEST_SEEDS", "112"))
    workflow = Workflow(tmp_path)
    for name in ("tmp", "data"):
        (tmp_path / name).mkdir()
    mark = uuid.uuid4().hex
    own = {"TMPDIR": str(tmp_path / "tmp"), "SSLFAST_DATA": str(tmp_path / "data"), "SSLFAST_TEST_MARK": mark}
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump({**TINY, "seeds": seeds}))
    command = [Path(sys.executable).parent / "snakemake"]
    memory = []
    with (tmp_path / "output").open("w") as output:
        study = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **own}, stdout=output, stderr=output)
        while study.poll() is None:
            try:
                memory.append(psutil.Process(study.pid).memory_info().rss / 2**20)
            except psutil.Error:
                break
            time.sleep(1)
    assert study.wait() == 0, (tmp_path / "output").read_text()[-2000:]
    n_jobs = len(list((tmp_path / "results/tiny/logs").rglob("*.log")))
    print(
        f"{n_jobs} jobs; Snakemake's memory by tenths, MB:", *(round(m) for m in memory[:: max(1, len(memory) // 10)])
    )
    assert n_jobs == 4 + JOBS_A_SEED * seeds
    assert left_over(workflow) == []
    assert processes_with("SSLFAST_TEST_MARK", mark) == []
    quarter = len(memory) // 4
    # Snakemake keeps a little of every job; 0.05 MB a job is generous
    assert max(memory[-quarter:]) < max(memory[quarter : 2 * quarter]) + 10 + 0.05 * n_jobs
