"""What every call of Snakemake imports of the package: little, since a person waits for it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ["fastai", "matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "torch"]


def test_no_call_of_snakemake_imports_what_only_jobs_need():
    lines = [
        line.strip()
        for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"from sslfast|import sslfast", line)  # at the top, so at each call
    ]
    assert len(lines) > 10
    program = "\n".join([*lines, "import sys", f"print([name for name in {HEAVY} if name in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
