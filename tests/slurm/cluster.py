"""SLURM on this machine alone: one node with two cores and two pretended GPUs, in a temporary folder of its own."""

import ctypes
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
PACKAGES = ("slurm-wlm", "munge")

# config_overrides: the node has what is written here, whatever the machine has
CONFIG = """
ClusterName=pretended
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MinJobAge=3600
MessageTimeout=60
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=usual Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=1-00:00:00 State=UP PriorityTier=2
"""
GPUS = """
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
"""


def why_not() -> str | None:
    """One line that says why no cluster can be started here, after having installed SLURM where that may be done."""
    if platform.system() != "Linux":
        return f"SLURM's daemons need Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "SLURM's daemons are started by root only, and this user is not root"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if not missing:
        return None
    if not shutil.which("apt-get"):
        return f"{', '.join(missing)} not found, and no apt-get to install {' and '.join(PACKAGES)}"
    for command in (["install", *PACKAGES], ["update"], ["install", *PACKAGES]):
        done = _apt_get(*command)
        if done.returncode == 0 and command != ["update"]:
            return None
    said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return f"apt-get could not install {' and '.join(PACKAGES)}: {said}"


def _apt_get(*command: str) -> subprocess.CompletedProcess:
    options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]  # somebody else may install
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["apt-get", *options, *command], env=quiet, capture_output=True, text=True, check=False)


class Cluster:
    """Starts with `with`, and ends every daemon that it started, by its id, with its folder."""

    def __init__(self):
        # not pytest's folder: the path of a socket has at most 107 characters
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.daemons: list[subprocess.Popen] = []
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def __enter__(self) -> "Cluster":
        try:
            self._configure()
            self._start("munged", "-F", "--force", *self._munge_files())
            self._wait((self.folder / "munge.socket").exists)
            self._start("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
            self._start("slurmd", "-D", "-f", self.environment["SLURM_CONF"])
            self._wait(lambda: self.run("sinfo", "--noheader", "--format=%T", "--partition=usual").strip() == "idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if len(self.daemons) == 3:
            self.run("scancel", "--user=root")
            deadline = time.monotonic() + 20
            while self.run("squeue", "--noheader").strip() and time.monotonic() < deadline:
                time.sleep(0.1)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        """What a command of SLURM prints; empty if it fails."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def jobs(self, state: str = "RUNNING") -> dict[str, str]:
        """Numbers of the jobs in `state`, with what Snakemake calls them (`rule_pretrain_wildcards_…`)."""
        lines = self.run("squeue", "--noheader", f"--states={state}", "--format=%i %k").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def _configure(self) -> None:
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        # Snakemake's plugin takes SLURM_CONF away from srun: it expects the configuration in /etc/slurm
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.environment["SLURM_CONF"]} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        with socket.socket() as one, socket.socket() as other:
            for port in (one, other):
                port.bind(("127.0.0.1", 0))
            text = CONFIG.format(
                folder=self.folder,
                host=platform.node().split(".")[0],
                controller_port=one.getsockname()[1],
                node_port=other.getsockname()[1],
            )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(GPUS)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)

    def _munge_files(self) -> list[str]:
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        return [f"--{option}={self.folder}/munge.{suffix}" for option, suffix in files.items()]

    def _start(self, *command: str) -> None:
        env = {**os.environ, **self.environment}
        with open(self.folder / f"{command[0]}.out", "w") as said:
            daemon = subprocess.Popen(command, stdout=said, stderr=said, env=env, preexec_fn=_end_with_parent)
        self.daemons.append(daemon)

    def _wait(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            ended = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                said = "\n".join(f"{path.name}:\n{path.read_text()}" for path in self.folder.glob("*.[lo][ou][gt]"))
                raise RuntimeError(f"the cluster did not start ({', '.join(ended) or 'in time'})\n{said}")
            time.sleep(0.05)


def _end_with_parent() -> None:
    """A test run that is killed leaves no daemon."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
