"""What the documentation says is tried."""

import re
import subprocess
import sys
from pathlib import Path

from sslfast.study.config import read_schema

ROOT = Path(__file__).parents[1]


def test_the_readmes_script_runs_and_prints_scores(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    scores = re.findall(r"^(frozen autoencoder|supervised) +\[(.*)\]$", result.stdout, re.MULTILINE)
    assert [name for name, _ in scores] == ["frozen autoencoder", "supervised"]
    assert all(0 <= float(value) <= 1 for _, values in scores for value in values.split(", ")[1:])


def test_files_and_folders_that_the_readme_names_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#]+)\)", readme) + re.findall(r"`(config/[\w./-]+\.yaml)`", readme)
    assert len(linked) > 8
    missing = [name for name in linked if not name.startswith("http") and not (ROOT / name).exists()]
    assert [name for name in missing if name != "config/my-images.yaml"] == []


def test_the_page_of_config_keys_is_the_schemas():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from config_readme import readme
    finally:
        sys.path.pop(0)
    schema = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
    assert (ROOT / "config/README.md").read_text(encoding="utf-8") == readme(schema), "run `make docs`"


def test_ci_runs_the_readmes_test_command_and_nothing_else():
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
