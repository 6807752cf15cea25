"""A study whose jobs and whose Snakemake are killed at random moments, and what its training made."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import yaml
from studies import Workflow

EPOCHS = 20
STUDY = {
    "study": "tiny",
    "dataset": "digits",
    "unlabelled": [0.2],
    "labelled": [0.3],
    "seeds": 1,
    "encoders": ["conv"],
    "batch_size": 16,
    "budget": "epochs",
    "pretrain": {"epochs": EPOCHS, "schedule": "one_cycle"},
    "classify": {"epochs": EPOCHS, "views": 4},
    "supervised": {"epochs": EPOCHS},
    "device": "cpu",
}
WHOM = ("job", "snakemake", "both")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def results(folder: Path) -> dict:
    """All that training made, by file name: records without times, predictions and weights."""
    made = {}
    for path in sorted((folder / "results/tiny").rglob("*")):
        if "checkpoints" in path.parts:  # of a study that did not run to its end
            continue
        if path.suffix == ".json" and "records" in path.parts:
            record = json.loads(path.read_text())
            del record["checksum"]  # which is of the times, too
            for row in [record, *record["history"]]:
                del row["seconds"]
            made[str(path.relative_to(folder))] = record
        elif path.suffix == ".npy":
            made[str(path.relative_to(folder))] = np.load(path).tolist()
        elif path.suffix == ".npz" and "pictures" in path.parts:
            with np.load(path) as stored:
                made[str(path.relative_to(folder))] = {name: stored[name].tolist() for name in stored.files}
        elif path.suffix in (".safetensors", ".parquet") and "tables" not in path.parts:
            made[str(path.relative_to(folder))] = path.read_bytes()
    return made


class Killed(Workflow):
    """A study that is killed again and again. `phases` counts what the kills hit."""

    def __init__(self, folder: Path, *arguments: str):
        """`arguments`: of Snakemake, at each call."""
        super().__init__(folder)
        (folder / "config/config.yaml").write_text(yaml.safe_dump(STUDY))
        self.arguments = arguments
        self.phases, self.seen, self.output = Counter(), Counter(), ""
        self.trained: dict[Path, int] = {}  # by log of a job that was killed: the last epoch that it told of

    def start(self, *targets: str) -> subprocess.Popen:
        self.begun = time.time()
        with open(self.folder / "output.txt", "w") as file:
            command = [Path(sys.executable).parent / "snakemake", "--cores", "2", *targets, *self.arguments]
            return subprocess.Popen(command, cwd=self.folder, stdout=file, stderr=file)

    def jobs(self) -> list[psutil.Process]:
        """The jobs of this study that are alive, whoever began them."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            line = process.info["cmdline"] or []
            if len(line) == 2 and ".snakemake/scripts" in line[1] and process.info["cwd"] == str(self.folder):
                found.append(process)
        return found

    def trains(self, epoch: int) -> bool:
        """Whether a job told of `epoch` since this call of Snakemake began."""
        with suppress(FileNotFoundError):  # Snakemake deletes a log before it begins a job again
            logs = (self.folder / "results/tiny/logs").rglob("*.log")
            fresh = (log.read_text() for log in logs if log.stat().st_mtime > self.begun)
            return any(f"epoch {epoch} of" in text for text in fresh)
        return False

    def kill(self, chance: random.Random, whom: str, number: signal.Signals) -> bool:
        """Begin the study, kill at a random moment; whether it ended before."""
        epoch = chance.randint(1, EPOCHS) if chance.random() < 0.6 else None  # else at any time
        snakemake, end = self.start(), time.time() + chance.uniform(1, 8)
        while snakemake.poll() is None and not (self.trains(epoch) if epoch else time.time() > end):
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        while snakemake.poll() is None and whom == "job" and not self.jobs():
            time.sleep(0.005)
        if snakemake.poll() is not None:
            return self.ended(snakemake)
        jobs = self.jobs()
        if whom != "job":
            snakemake.send_signal(number)
        killed = [] if whom == "snakemake" else jobs[:1] if whom == "job" else jobs
        for job in killed:
            try:
                job.send_signal(number)
            except psutil.NoSuchProcess:
                killed = []
        psutil.wait_procs(killed, timeout=60)
        if self.hangs(snakemake):
            self.seen["Snakemake hung on SIGTERM"] += 1
            snakemake.kill()
        snakemake.wait()
        self.read_output()
        self.note(whom, number, jobs, killed)
        if snakemake.returncode == -signal.SIGKILL:
            assert self.ask("--unlock").returncode == 0
        return False

    def hangs(self, snakemake: subprocess.Popen) -> bool:
        """Whether it goes on although nothing is left to wait for: its handler of SIGTERM can wait for its own lock."""
        idle = time.monotonic()
        while snakemake.poll() is None and time.monotonic() - idle < 15:
            time.sleep(0.05)
            idle = time.monotonic() if self.jobs() else idle
        return snakemake.poll() is None

    def note(self, whom, number, jobs, killed):
        if not killed:
            what = f"{len(jobs)} jobs went on" if jobs else "between jobs"
            self.phases[f"{number.name} of snakemake alone, {what}"] += 1
        for job in killed:
            script = job.info["cmdline"][1].rsplit(".", 2)[1]
            logs = sorted((self.folder / "results/tiny/logs").glob(f"{script}*/*.log"))
            text = logs[0].read_text() if logs and script in ("pretrain", "classify", "supervised") else ""
            epochs = re.findall(rf"^epoch (\d+) of {EPOCHS}", text, re.MULTILINE)
            if script not in ("pretrain", "classify", "supervised"):
                phase = "another job"
            elif not epochs:
                phase = "before the first epoch"
            elif int(epochs[-1]) == EPOCHS:
                phase = "after the last epoch"
            else:
                phase = "in an epoch, or saving it"
                self.trained[logs[0]] = max(int(epochs[-1]), self.trained.get(logs[0], 0))
            self.phases[f"{number.name} of {whom}, job {phase}"] += 1

    def read_output(self) -> None:
        """See in the logs of this call that no job trained again what an attempt before had saved."""
        self.output = (self.folder / "output.txt").read_text()
        self.seen["waited for an orphan"] += self.output.count("which is doing the same work")
        for log in (self.folder / "results/tiny/logs").rglob("*.log"):
            if log.stat().st_mtime < self.begun:
                continue
            text = log.read_text()
            if "an earlier attempt ended well" in text:
                self.seen["results of an orphan taken"] += 1
                self.trained.pop(log, None)
            elif found := re.search(r"goes on after epoch (\d+)", text):
                self.seen["went on"] += 1
                assert int(found[1]) >= self.trained.get(log, 0) - 1, text
            elif log in self.trained and re.search("^epoch 1 of", text, re.MULTILINE):
                assert self.trained[log] < 2, text

    def ended(self, snakemake: subprocess.Popen) -> bool:
        assert snakemake.wait(300) == 0, (self.folder / "output.txt").read_text()
        self.read_output()
        deadline = time.monotonic() + 60
        while self.jobs():  # an orphan of an earlier call that no job of this one had to wait for
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return True

    def finish(self) -> None:
        self.ended(self.start())

    def clear(self) -> None:
        for name in ("results", "reports", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=name == "reports")  # which there may not be
        self.trained.clear()

    def check(self, unbroken: dict) -> None:
        made = results(self.folder)
        assert made.keys() == unbroken.keys()
        for name in made:
            assert made[name] == unbroken[name], name
        assert not (self.folder / "results/tiny/checkpoints").exists()
        assert [path.name for path in (self.folder / "results").rglob(".*")] == []


def wait_for(condition, seconds=600):  # on a machine that is busy with other things
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
