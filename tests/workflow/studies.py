"""A study that real Snakemake runs in a copy of the repository's root, and dry runs by the dozen."""

import json
import os
import shutil
import subprocess
import sys
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
    "pretrain": {"epochs": 1},
    "classify": {"epochs": 2},
    "device": "cpu",
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

    def run(self, *arguments: str, config: dict | None = None, **environment: str) -> subprocess.CompletedProcess:
        if config is not None:
            (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config))
        command = [Path(sys.executable).parent / "snakemake", *arguments]
        env = {**os.environ, **environment}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def planned(self, *arguments: str, config: dict) -> dict[str, int]:
        """Jobs a rule that a call would run."""
        result = self.run("-n", *arguments, config=config)
        assert result.returncode == 0, result.stderr
        return jobs_of(result.stdout + result.stderr)

    def pretend(self, config: dict) -> None:
        """Files without content for the whole study, which Snakemake takes for finished under `config`."""
        for line in self.run("--summary", config=config).stdout.splitlines()[1:]:
            path = self.folder / line.split("\t")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        done = self.run("--touch", "--forceall", config=config)
        assert done.returncode == 0, done.stderr

    def plans(self, configs: Sequence[dict]) -> list[dict[str, int]]:
        """The same for many configs."""
        return [jobs_of(output) for output in self.outputs(configs)]

    def outputs(self, configs: Sequence[dict]) -> list[str]:
        """What dry runs print: Snakemake is imported once, and each dry run is a fork of that process."""
        folder = self.folder / "plans"
        folder.mkdir(exist_ok=True)
        for number, config in enumerate(configs):
            (folder / f"{number}.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, Path(__file__).with_name("dry_runs.py"), *sorted(folder.glob("*.yaml"), key=_number)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        shutil.rmtree(folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def _number(path: Path) -> int:
    return int(path.stem)


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
