"""Benchmarks go on running as what they measure changes. (What they print is not judged here.)"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"


def test_what_they_import_is_there():
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    program = f"import importlib\nfor name in {names}:\n    print(name, hasattr(importlib.import_module(name), 'main'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [f"{name} {name != 'timing'}" for name in names]


def test_the_start_of_a_job_is_that_of_a_rules_script():
    """It plays Snakemake's part for the script, which may ask for more than it once did."""
    done = subprocess.run(
        [sys.executable, FOLDER / "startup.py", "--rounds", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(d) ")
