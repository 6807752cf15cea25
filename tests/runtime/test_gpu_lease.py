"""Jobs on a machine with several GPUs: each gets one, no GPU gets more jobs than it may, and a dead job holds none."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

import pytest
import torch
from hostile import is_one_line
from killing import in_a_process, kill_this_process, killed
from nvidia import listing, machine_with, uuid

from sslfast.errors import DeviceError, one_line
from sslfast.runtime import gpu_lease
from sslfast.runtime.gpu_lease import lease_gpu

NOBODY = 65534
SCRIPTS = sorted((Path(__file__).parents[2] / "workflow/scripts").glob("*.py"))


@pytest.fixture
def four(monkeypatch, tmp_path) -> Iterator[Path]:
    """A machine with four GPUs; where its leases are."""
    monkeypatch.setattr(gpu_lease, "PAUSE", 0.01)
    yield machine_with(monkeypatch, tmp_path, listing(4))
    for process in multiprocessing.active_children():  # of a test that failed
        process.kill()


class Job:
    """A process that holds a GPU until it is told to end."""

    def __init__(self, per_gpu: int = 1):
        self.pipe, there = multiprocessing.Pipe()
        self.process = in_a_process(lambda: self._hold(there, per_gpu))

    @staticmethod
    def _hold(there, per_gpu):
        with lease_gpu(per_gpu, say=there.send):
            there.send(os.environ["CUDA_VISIBLE_DEVICES"])
            there.recv()

    def tells(self) -> str:
        """The next that it says: what CUDA sees in it, or that it waits."""
        assert self.pipe.poll(60)
        return self.pipe.recv()

    def end(self, kill: bool = False):
        self.process.kill() if kill else self.pipe.send("end")
        self.process.join()
        assert self.process.exitcode == (-signal.SIGKILL if kill else 0)


@pytest.mark.parametrize("per_gpu", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_eight_jobs_share_four_gpus_evenly_whoever_ends_or_is_killed(four, per_gpu, seed):
    chance = random.Random(seed)
    jobs = [Job(per_gpu) for _ in range(8)]
    told = {job: job.tells() for job in jobs}
    holders = {job: gpu for job, gpu in told.items() if not gpu.startswith("waits")}
    waiting = [job for job in jobs if job not in holders]
    assert Counter(holders.values()) == {uuid(i): per_gpu for i in range(4)}
    assert len(waiting) == 8 - 4 * per_gpu
    while holders:
        job = chance.choice(list(holders))
        freed = holders.pop(job)
        job.end(kill=chance.random() < 0.5)
        if waiting:
            (next_one,) = wait([job.pipe for job in waiting], timeout=60)
            (job,) = [job for job in waiting if job.pipe is next_one]
            waiting.remove(job)
            holders[job] = job.tells()
            assert holders[job] == freed
    assert not waiting


def test_a_job_takes_the_gpu_that_the_fewest_hold(four):
    jobs = [Job(per_gpu=3) for _ in range(2)]
    first, second = (job.tells() for job in jobs)
    assert first != second
    more = [Job(per_gpu=3) for _ in range(6)]
    held = Counter([first, second, *(job.tells() for job in more)])
    assert held == {uuid(i): 2 for i in range(4)}
    jobs[1].end()
    late = Job(per_gpu=3)
    assert late.tells() == second
    for job in (jobs[0], *more, late):
        job.end()


def test_a_job_that_waits_says_so_once_with_what_to_change(four, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    holder = Job()
    holder.tells()
    waiting = Job()
    line = waiting.tells()
    assert line.startswith("waits for a GPU: each of the 1 here")
    assert "--resources gpu=" in line
    assert not waiting.pipe.poll(0.2)  # looked twenty times
    holder.end()
    assert waiting.tells() == "2"
    waiting.end()


def test_whoever_has_waited_longest_is_next_and_nobody_overtakes(four, monkeypatch):
    """So two studies that keep as many jobs waiting get as many turns, whichever began first."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    at_work, line = Job(), []
    assert at_work.tells() == "2"
    for _ in range(3):
        line.append(Job())
        assert line[-1].tells().startswith("waits for a GPU")
    line[1].end(kill=True)  # the dead keep nobody waiting
    for job in (line[0], line[2]):
        line.append(late := Job())
        assert late.tells().startswith("waits for a GPU")
        at_work.end()
        at_work = job
        assert job.tells() == "2"
        assert not any(other.pipe.poll(0.1) for other in line[3:])
    at_work.end()
    for job in line[3:]:
        assert job.tells() == "2"
        job.end()
    assert not list(four.rglob("*-waits-*"))


def test_who_waits_for_one_gpu_holds_up_nobody_on_another(four, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    at_work, waiting = Job(), Job()
    assert {at_work.tells(), waiting.tells()[:5]} == {"2", "waits"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    other = Job()
    assert other.tells() == "3"
    for job in (at_work, waiting, other):
        job.end()


def test_a_job_killed_while_it_chooses_keeps_nobody_waiting(four, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(gpu_lease, "_free_places", kill_this_process)
        assert killed(lambda: lease_gpu().__enter__())
    (job := Job()).tells()
    job.end()


def test_lock_files_of_the_dead_hold_nothing(four):
    for job in [Job() for _ in range(4)]:
        job.tells()
        job.end(kill=True)
    (folder,) = four.iterdir()
    assert len(list(folder.glob("GPU-*"))) == 4
    jobs = [Job() for _ in range(4)]
    assert sorted(job.tells() for job in jobs) == [uuid(i) for i in range(4)]
    for job in jobs:
        job.end()


def test_jobs_that_name_gpus_by_index_and_by_uuid_share_them_out(four, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    some = [Job(), Job()]
    assert {job.tells() for job in some} == {"1", "3"}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    others = [Job(), Job()]
    assert {job.tells() for job in others} == {uuid(0), uuid(2)}
    for job in some + others:
        job.end()


def test_the_environment_is_afterwards_as_it_was(four, monkeypatch):
    with lease_gpu() as gpu:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu.visible == uuid(0)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    with lease_gpu():
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,1"


FAILS = {
    "no driver": ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9),
    "no GPU": ("No devices were found\n", 6),
}


@pytest.mark.parametrize("output, code", FAILS.values(), ids=FAILS)
def test_without_a_gpu_there_is_no_lease(monkeypatch, tmp_path, output, code):
    leases = machine_with(monkeypatch, tmp_path, output, code)
    with lease_gpu() as gpu:
        assert gpu is None
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert not list(leases.iterdir())


@pytest.mark.parametrize("value", [None, "", "1", "7", uuid(1)])
def test_under_slurm_a_job_keeps_the_gpu_that_slurm_chose(four, monkeypatch, value):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    with lease_gpu() as gpu:
        assert gpu is None
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == value
    assert not list(four.iterdir())


def test_within_an_allocation_of_several_gpus_each_job_takes_one(four, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    jobs = [Job(), Job()]
    assert {job.tells() for job in jobs} == {"0", "2"}
    for job in jobs:
        job.end()


def test_a_folder_of_leases_is_closed_to_others(four):
    with lease_gpu():
        (folder,) = four.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("what", ["a file", "a link", "another user's"])
def test_what_is_no_folder_of_ours_is_not_used_for_leases(four, what):
    with lease_gpu():
        (folder,) = four.iterdir()
    folder.rename(four / "before")
    if what == "a file":
        folder.touch()
    elif what == "a link":
        folder.symlink_to(four / "before")
    else:
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(DeviceError, match=r"no folder of yours; remove it, or set TMPDIR") as caught, lease_gpu():
        pass
    assert str(caught.value).startswith(f"{folder}: ")
    assert is_one_line(caught.value)


def test_a_folder_of_leases_that_cannot_be_written_to_is_named(monkeypatch):
    user, root = os.geteuid(), Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    try:
        leases = machine_with(monkeypatch, root, listing(1))
        for path in (root, leases):
            path.chmod(0o777)
        if user == 0:
            os.seteuid(NOBODY)
        with lease_gpu():
            (folder,) = leases.iterdir()
        shutil.rmtree(folder)
        folder.mkdir(mode=0o500)
        with pytest.raises(OSError) as caught, lease_gpu():
            pass
    finally:
        os.seteuid(user)
        shutil.rmtree(root)
    assert one_line(caught.value).startswith(f"{folder}/choosing: not allowed to write")


IMPORTS = """
import importlib, re, torch

def used(*_):
    raise AssertionError("CUDA is used")

torch.cuda._is_compiled = lambda: True
torch._C._cuda_getDeviceCount = torch._C._cuda_init = torch.cuda._lazy_init = used
for name in {scripts}:
    module, function = re.search(r'"(sslfast[\\w.]+):(\\w+)"', open(name, encoding="utf-8").read()).groups()
    assert callable(getattr(importlib.import_module(module), function))
try:
    torch.cuda.is_available()
except AssertionError:
    print("nobody used CUDA until now")
"""


def test_no_script_uses_cuda_before_its_job_begins():
    program = IMPORTS.format(scripts=list(map(str, SCRIPTS)))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "nobody used CUDA until now\n", done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_torch_sees_the_leased_gpu_alone_although_it_was_imported_before():
    program = (
        "import torch, fastai.vision.all\nfrom sslfast.runtime.gpu_lease import lease_gpu\n"
        "with lease_gpu() as gpu:\n"
        "    assert torch.cuda.device_count() == 1\n"
        "    found = str(torch.cuda.get_device_properties(torch.ones(1, device='cuda').device).uuid)\n"
        "    assert gpu.uuid == f'GPU-{found}', (gpu, found)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
