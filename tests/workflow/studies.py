"""A study that real Snakemake runs in a copy of the repository's root."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TINY = {
    "study": "tiny",
    "dataset": "digits",
    "unlabelled": [0, 0.2],
    "labelled": [0.1, 0.5],
    "seeds": 1,
    "encoders": ["conv"],
    "batch_size": 64,
    "budget": "epochs",
    "pretrain": {"epochs": 1},
    "classify": {"epochs": 2},
    "device": "cpu",
}
HALVED = {  # by updates, with runs of less length of the first of its seeds
    **TINY,
    "unlabelled": [0.2, 1],
    "labelled": [0.3],
    "seeds": 3,
    "budget": "updates",
    "pretrain": {"updates": 20},
    "classify": {"updates": 80},
}


class Workflow:
    """A copy of the workflow in `folder`, and a way to call Snakemake there."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(ROOT / "workflow", folder / "workflow")
        shutil.copytree(ROOT / "config", folder / "config")
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        shutil.copy(ROOT / "Snakefile", folder)

    @classmethod
    def at(cls, folder: Path) -> "Workflow":
        """The one that lies in `folder`."""
        found = cls.__new__(cls)
        found.folder = folder
        return found

    def configure(self, config: dict | None) -> None:
        if config is not None:
            (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config))

    def run(
        self, *arguments: str, config: dict | None = None, alone: bool = False, **environment: str
    ) -> subprocess.CompletedProcess:
        """A call of Snakemake; `alone`, and with code from elsewhere, in a process that imports all itself.

        Others are forks of a process that has Snakemake imported, and their jobs are forks of one that has torch.
        """
        self.configure(config)
        if not alone and "PYTHONPATH" not in environment:
            return FORKS.call(self.folder, arguments, {**os.environ, **environment}, jobs=True)
        command = [Path(sys.executable).parent / "snakemake", *arguments]
        env = {**os.environ, **environment}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def ask(self, *arguments: str, config: dict | None = None, **environment: str) -> subprocess.CompletedProcess:
        """The same for calls that begin no job: dry runs and errors."""
        self.configure(config)
        return FORKS.call(self.folder, arguments, {**os.environ, **environment})

    def planned(self, *arguments: str, config: dict) -> dict[str, int]:
        """Jobs a rule that a call would run."""
        result = self.ask("-n", *arguments, config=config)
        assert result.returncode == 0, result.stderr
        return jobs_of(result.stdout + result.stderr)

    def pretend(self, config: dict) -> None:
        """Files without content for the whole study, which Snakemake takes for finished under `config`."""
        for line in self.ask("--summary", config=config).stdout.splitlines()[1:]:
            path = self.folder / line.split("\t")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)  # the report's figures are a folder
        done = self.ask("--touch", "--forceall", config=config)
        assert done.returncode == 0, done.stderr

    def plans(self, configs: Sequence[dict]) -> list[dict[str, int]]:
        """The same for many configs."""
        return [jobs_of(output) for output in self.outputs(configs)]

    def outputs(self, configs: Sequence[dict]) -> list[str]:
        """What dry runs of them print; the study's own config stays as it is."""
        found = []
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            for config in configs:
                file.truncate(0)
                file.seek(0)
                yaml.safe_dump(config, file)
                file.flush()
                result = self.ask("-n", "--configfile", file.name)
                found.append(result.stdout + result.stderr)
        return found


class Forks:
    """Calls of Snakemake by one process that has imported it, `forks.py`; it ends with this process."""

    def __init__(self):
        self._process = None

    def call(
        self, folder: Path, arguments: Sequence[str], environment: dict, jobs: bool = False
    ) -> subprocess.CompletedProcess:
        if self._process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._process = subprocess.Popen([sys.executable, Path(__file__).with_name("forks.py")], **pipes)
        print(json.dumps([str(folder), arguments, environment, jobs]), file=self._process.stdin, flush=True)
        return subprocess.CompletedProcess(arguments, *json.loads(self._process.stdout.readline()))


FORKS = Forks()


def jobs_of(output: str) -> dict[str, int]:
    """Jobs a rule, from the table that Snakemake prints."""
    lines = output.splitlines()
    if not any(line.startswith("job ") for line in lines):
        assert "Nothing to be done" in output, output
        return {}
    start = next(i for i, line in enumerate(lines) if line.startswith("job ")) + 2
    rows = []
    for line in lines[start:]:
        if not line.strip():
            break
        rows.append(line.split())
    return {name: int(count) for name, count in rows if name not in ("total", "all")}


def error_line(result: subprocess.CompletedProcess) -> str:
    """The one line with which a call failed."""
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(set(lines)) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]
