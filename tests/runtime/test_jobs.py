"""What a job's log says, and how its process ends: where it fails, with one line on stderr that says what to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from grids import checked
from hostile import is_one_line
from killing import in_a_process
from nvidia import listing, machine_with, uuid

from sslfast.errors import DataError
from sslfast.runtime.jobs import perform


@pytest.fixture
def snakemake(tmp_path):
    """What Snakemake gives the script of a training job."""
    (tmp_path / "in.parquet").write_text("split")
    return SimpleNamespace(
        rule="classify",
        config=checked(study="study").as_config(),
        wildcards={"u": "0.2", "of": "", "seed": "0"},
        params={"fit": {"lr": 0.1}, "checkpoint": str(tmp_path / "checkpoints/classify/u0.2-s0")},
        input=[str(tmp_path / "in.parquet")],
        output=[str(tmp_path / "out.json")],
        log=[str(tmp_path / "job.log")],
        resources={},
        threads=1,
    )


def run(snakemake, work):
    """`work(job)` as a job: its exit code and its log's lines."""
    process = in_a_process(lambda: perform(snakemake, work))
    process.join()
    with open(snakemake.log[0], encoding="utf-8") as log:
        return process.exitcode, log.read().splitlines()


def write_output(snakemake):
    with open(snakemake.output[0], "w", encoding="utf-8") as file:
        file.write("made")


def test_log_begins_with_the_job_and_ends_with_how_it_ended(snakemake):
    code, lines = run(snakemake, lambda _: (print("training"), write_output(snakemake)))
    assert code == 0
    assert "  classify u 0.2 seed 0, process " in lines[0]
    assert lines[1] == "training"
    assert lines[-1].startswith("done, after ")


def test_work_is_told_what_snakemake_tells_and_where_its_checkpoint_is(snakemake):
    def look(job):
        print(job.study.name, job.wildcards["u"], job.params["fit"], job.threads, job.checkpoint)
        write_output(snakemake)

    assert (
        run(snakemake, look)[1][1]
        == f"study 0.2 {{'lr': 0.1}} 1 {snakemake.params['checkpoint']}/checkpoint.safetensors"
    )
    del snakemake.params["checkpoint"]
    assert run(snakemake, look)[1][-2] == "study 0.2 {'lr': 0.1} 1 None", "not a training job"


def test_an_error_for_a_person_ends_the_log(snakemake):
    def fail(_):
        raise DataError("images: none found")

    code, lines = run(snakemake, fail)
    assert code == 1
    assert lines[-1].startswith("error: images: none found, after ")


def test_sigterm_is_in_the_log_and_code_that_clears_up_runs(snakemake, tmp_path):
    def stopped(_):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            (tmp_path / "cleared").touch()

    code, lines = run(snakemake, stopped)
    assert code == 128 + signal.SIGTERM
    assert lines[-1].startswith("stopped by SIGTERM, after ")
    assert (tmp_path / "cleared").exists()


def test_a_job_that_ended_well_unknown_to_snakemake_is_not_done_again(snakemake, tmp_path):
    assert run(snakemake, lambda _: write_output(snakemake))[0] == 0
    os.unlink(snakemake.output[0])  # as Snakemake does before it begins a job again
    code, lines = run(snakemake, lambda _: (tmp_path / "trained").touch())
    assert code == 0
    assert any("an earlier attempt ended well" in line for line in lines)
    assert not (tmp_path / "trained").exists()
    with open(snakemake.output[0], encoding="utf-8") as file:
        assert file.read() == "made"


@pytest.mark.parametrize("change", ["params", "input"])
def test_it_is_done_again_where_params_or_inputs_changed(snakemake, tmp_path, change):
    run(snakemake, lambda _: write_output(snakemake))
    if change == "params":
        snakemake.params["fit"] = {"lr": 0.2}
    else:
        (tmp_path / "in.parquet").write_text("another split")
    code, _ = run(snakemake, lambda _: ((tmp_path / "trained").touch(), write_output(snakemake)))
    assert code == 0
    assert (tmp_path / "trained").exists()


def test_a_job_with_the_resource_gpu_sees_one_gpu_and_names_it_in_its_log(snakemake, monkeypatch, tmp_path):
    machine_with(monkeypatch, tmp_path / "machine", listing(2))
    snakemake.resources["gpu"] = 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{uuid(1)},{uuid(0)}")
    code, lines = run(snakemake, lambda _: (print(os.environ["CUDA_VISIBLE_DEVICES"]), write_output(snakemake)))
    assert code == 0
    assert lines[1] == f"on the GPU {uuid(1)} (NVIDIA A100-SXM4-40GB)"
    assert lines[2] == uuid(1)


def test_a_job_without_that_resource_or_with_nothing_to_do_takes_no_gpu(snakemake, monkeypatch, tmp_path):
    leases = machine_with(monkeypatch, tmp_path / "machine", listing(2))
    code, _ = run(snakemake, lambda _: write_output(snakemake))
    assert code == 0
    snakemake.resources["gpu"] = 1
    code, lines = run(snakemake, lambda _: (tmp_path / "trained").touch())
    assert code == 0
    assert any("an earlier attempt ended well" in line for line in lines)
    assert not list(leases.iterdir())


def test_a_job_that_is_given_a_gpu_that_does_not_exist_ends_with_one_line(snakemake, monkeypatch, tmp_path):
    machine_with(monkeypatch, tmp_path / "machine", listing(2))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    snakemake.resources["gpu"] = 1
    code, lines = run(snakemake, lambda _: (tmp_path / "trained").touch())
    assert code == 1
    assert lines[-1].startswith("error: CUDA_VISIBLE_DEVICES: found '7', expected some of 0 (NVIDIA A100")
    assert not (tmp_path / "trained").exists()


def run_script(log: Path, code: str) -> subprocess.CompletedProcess:
    about = {"rule": "split", "wildcards": {}, "params": {}, "input": [], "output": [], "log": [str(log)]}
    about |= {"resources": {}, "config": checked().as_config(), "threads": 1}
    (log.parent / "work.py").write_text(f"def do(job):\n    {code}")
    program = "from types import SimpleNamespace\nfrom sslfast.runtime.script import run\n"
    program += f"run(SimpleNamespace(**{about!r}), 'work:do')"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=log.parent, capture_output=True, text=True, errors="replace", check=False
    )


def test_a_job_that_ends_well_says_nothing_but_in_its_log(tmp_path):
    done = run_script(tmp_path / "log", "print('epoch 1')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "log").read_text().splitlines()[1] == "epoch 1"


ENDS = {  # what happens: (code, what the line says, whether it sends a reader to the traceback)
    "an error that a user can mend": ("import sslfast.errors as e; raise e.DataError('a\\nb')", "error: a b", False),
    "a full disk": ("raise OSError(28, 'No space left on device', '/x/y')", "error: /x/y: no space left on the", False),
    "a quota": ("raise OSError(122, 'Disk quota exceeded')", "error: no space left on the disk; make room", False),
    "a short write of numpy's": ("raise OSError('8192 requested and 4096 written')", "error: no space left", False),
    "a read-only folder": ("raise OSError(30, 'Read-only file system', 'x')", "error: x: not allowed to write", False),
    "somebody else's file": ("raise OSError(13, 'Permission denied', 'x')", "error: x: not allowed to write", False),
    "no memory": ("raise MemoryError('Unable to allocate 1.00 TiB')", "error: out of memory ('Unable", False),
    "torch without memory": ("raise RuntimeError(\"CPUAllocator: can't allocate memory\")", "out of memory", False),
    "a GPU without memory": ("raise RuntimeError('CUDA out of memory. Tried\\nto allocate')", "batch_size", False),
    "a name that is no UTF-8": ("print('\\udcff'); raise ValueError('\\udcff\\x1b[3m')", r"Error: \udcff\x1b[3m", True),
    "anything else": ("{}['key']", "error: KeyError: 'key' (traceback in", True),
}  # fmt: skip


@pytest.mark.parametrize("code, expected, traced", ENDS.values(), ids=ENDS)
def test_a_job_that_fails_says_so_in_one_line(tmp_path, code, expected, traced):
    done = run_script(tmp_path / "log", code)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert is_one_line(done.stderr.removesuffix("\n"))
    assert expected in done.stderr
    assert ("(traceback in" in done.stderr) == traced
    assert "Traceback" in (tmp_path / "log").read_text()
