"""No room imports one above it, no files import each other in a circle, and what is to be light is light.

The contracts stand in `pyproject.toml` (`tool.importlinter`). Imports inside functions count as well.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def broken_contracts(folder: Path) -> list[str]:
    """The contracts that the package `sslfast` in `folder` breaks."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert "kept" in done.stdout, done.stdout + done.stderr
    return [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")]


def test_the_house_stands():
    assert broken_contracts(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("data/loaders.py", "from ..stages import classify", "No room imports one above it"),
        (
            "study/names.py",
            "def later():\n    from .config import check_config",
            "No files import each other in a circle",
        ),
        ("files.py", "import torch", "Configs and results are read without torch"),
        ("analysis/tables.py", "import fastai.learner", "Configs and results are read without torch"),
        ("runtime/jobs.py", "import snakemake", "The package knows no Snakemake"),
    ],
)
def test_an_import_that_breaks_it_is_found(tmp_path, file, line, broken):
    shutil.copytree(ROOT / "sslfast", tmp_path / "sslfast")
    with (tmp_path / "sslfast" / file).open("a") as source:
        source.write(f"\n{line}\n")
    assert broken in broken_contracts(tmp_path)


def test_a_new_room_needs_a_place(tmp_path):
    shutil.copytree(ROOT / "sslfast", tmp_path / "sslfast")
    (tmp_path / "sslfast/cellar").mkdir()
    (tmp_path / "sslfast/cellar/__init__.py").touch()
    assert "No room imports one above it" in broken_contracts(tmp_path)
