"""Benchmarks go on running as what they measure changes. (What they print is not judged here.)"""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_what_it_imports_is_there(name, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module(name)
    assert Path(module.__file__).parent == FOLDER
    assert name == "timing" or callable(module.main)


def test_the_start_of_a_job_is_that_of_a_rules_script():
    """It plays Snakemake's part for the script, which may ask for more than it once did."""
    done = subprocess.run(
        [sys.executable, FOLDER / "startup.py", "--rounds", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(d) ")
