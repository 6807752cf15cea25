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
from contextlib import ExitStack
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
PACKAGES = ("slurm-wlm", "munge")
# the parts of MariaDB that bring programs, and no service that apt would start
ACCOUNTING_PROGRAMS = ("slurmdbd", "sacct", "mariadbd", "mariadb-install-db", "my_print_defaults")
ACCOUNTING_PACKAGES = ("slurmdbd", "mariadb-server-core", "mariadb-client-core")

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
WITHOUT_ACCOUNTING = """
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
"""
WITH_ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
"""
# without a password: MariaDB knows root by the socket, which slurmdbd finds by $MYSQL_UNIX_PORT
ACCOUNTING = """
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""
GPUS = """
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
"""


def why_not(accounting: bool = False) -> str | None:
    """One line that says why no cluster can be started here, after having installed SLURM where that may be done."""
    programs = PROGRAMS + ACCOUNTING_PROGRAMS * accounting
    packages = PACKAGES + ACCOUNTING_PACKAGES * accounting
    if platform.system() != "Linux":
        return f"SLURM's daemons need Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "SLURM's daemons are started by root only, and this user is not root"
    missing = [program for program in programs if not shutil.which(program)]
    if not missing:
        return None
    if not shutil.which("apt-get"):
        return f"{', '.join(missing)} not found, and no apt-get to install {' and '.join(packages)}"
    for command in (["install", *packages], ["update"], ["install", *packages]):
        done = _apt_get(*command)
        if done.returncode == 0 and command != ["update"]:
            return None
    said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return f"apt-get could not install {' and '.join(packages)}: {said}"


def _apt_get(*command: str) -> subprocess.CompletedProcess:
    options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]  # somebody else may install
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["apt-get", *options, *command], env=quiet, capture_output=True, text=True, check=False)


class Cluster:
    """Starts with `with`, and ends every daemon that it started, by its id, with its folder.

    `accounting`: with a database of its own, so that `sacct` answers.
    """

    def __init__(self, accounting: bool = False):
        self.accounting = accounting
        # not pytest's folder: the path of a socket has at most 107 characters
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.daemons: dict[str, subprocess.Popen] = {}
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        self.environment = {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.folder / "database.socket"),
            "PATH": path,
        }

    def __enter__(self) -> "Cluster":
        try:
            self._configure()
            self._start("munged", "-F", "--force", *self._munge_files())
            self._wait((self.folder / "munge.socket").exists)
            if self.accounting:
                self._start_database()
                self.start_accounting()
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait(lambda: self.run("sinfo", "--noheader", "--format=%T", "--partition=usual").strip() == "idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if "slurmd" in self.daemons:
            self.run("scancel", "--user=root")
            deadline = time.monotonic() + 20
            while self.run("squeue", "--noheader").strip() and time.monotonic() < deadline:
                time.sleep(0.1)
        for name in reversed(list(self.daemons)):
            self.stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_accounting(self) -> None:
        self._start("slurmdbd", "-D")
        self._wait(lambda: self.run("sacctmgr", "--noheader", "show", "user"))

    def stop(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

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
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
            for port in sockets:
                port.bind(("127.0.0.1", 0))
            ports = [port.getsockname()[1] for port in sockets]
        known = {
            "folder": self.folder,
            "host": platform.node().split(".")[0],
            **dict(zip(("controller_port", "node_port", "accounting_port"), ports, strict=True)),
        }
        accounting = WITH_ACCOUNTING if self.accounting else WITHOUT_ACCOUNTING
        for name, text in (("slurm", CONFIG + accounting), ("slurmdbd", ACCOUNTING), ("gres", GPUS)):
            file = self.folder / f"{name}.conf"
            file.write_text(text.format(**known))
            file.chmod(0o600)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)

    def _start_database(self) -> None:
        place, sock = self.folder / "database", self.environment["MYSQL_UNIX_PORT"]
        options = ["--no-defaults", "--user=root", f"--datadir={place}", "--innodb-log-file-size=4M"]
        subprocess.run(["mariadb-install-db", *options, "--skip-test-db"], capture_output=True, check=True)
        self._start("mariadbd", *options, "--skip-networking", f"--socket={sock}", f"--pid-file={sock}.pid")
        self._wait(Path(sock).exists)

    def _munge_files(self) -> list[str]:
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        return [f"--{option}={self.folder}/munge.{suffix}" for option, suffix in files.items()]

    def _start(self, *command: str) -> None:
        env = {**os.environ, **self.environment}
        with open(self.folder / f"{command[0]}.out", "w") as said:
            daemon = subprocess.Popen(command, stdout=said, stderr=said, env=env, preexec_fn=_end_with_parent)
        self.daemons[command[0]] = daemon

    def _wait(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            ended = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                said = "\n".join(f"{path.name}:\n{path.read_text()}" for path in self.folder.glob("*.[lo][ou][gt]"))
                raise RuntimeError(f"the cluster did not start ({', '.join(ended) or 'in time'})\n{said}")
            time.sleep(0.05)


def _end_with_parent() -> None:
    """A test run that is killed leaves no daemon."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
