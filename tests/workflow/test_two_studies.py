"""Two studies on one machine, of one person or of two."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from studies import TINY

pytestmark = pytest.mark.long
BECOME = ["setpriv", "--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def begin(folder: Path, *arguments: str, become: Sequence[str] = (), env: dict | None = None) -> subprocess.Popen:
    command, streams = [*become, SNAKEMAKE, "--cores", "2", *arguments], {"stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, **streams)


def ended(study: subprocess.Popen) -> str:
    output, _ = study.communicate(timeout=600)
    assert study.returncode == 0, output
    return output


def span(results: Path) -> tuple[datetime, datetime]:
    """When the first training job of a study began, and when the last one ended."""
    found = []
    for log in (results / "logs").glob("*/*.log"):
        text = log.read_text(encoding="utf-8")
        start = datetime.fromisoformat(text[:19])
        took = re.findall(r"^done, after ([\d.]+) s$", text, re.MULTILINE)
        found.append((start, start + timedelta(seconds=float(took[-1]))))
    return min(start for start, _ in found), max(end for _, end in found)


def test_two_studies_in_one_folder_run_at_the_same_time_and_neither_waits(workflow, finished):
    studies = []
    for name in ("one", "two"):
        path = workflow.folder / f"config/{name}.yaml"
        path.write_text(yaml.safe_dump({**TINY, "study": name}), encoding="utf-8")
        studies.append(begin(workflow.folder, f"--configfile={path}"))
    said = [ended(study) for study in studies]
    (first, last), (other_first, other_last) = (span(workflow.folder / "results" / name) for name in ("one", "two"))
    assert first < other_last and other_first < last
    assert not any("waits for" in text for text in said)
    records = "records/classify/autoencoder-conv-u0.2-l0.5-s0.npy"
    alone = (finished.folder / "results/tiny" / records).read_bytes()
    assert all((workflow.folder / "results" / name / records).read_bytes() == alone for name in ("one", "two"))


def test_two_people_use_one_checkout_that_neither_may_write_to(workflow):
    """Both may read all that is here, the Python of these tests, too, which may lie in a home."""
    people = {uid: [*BECOME, f"--reuid={uid}", f"--regid={uid}"] for uid in (65533, 65534)}
    if subprocess.run([*people[65533], sys.executable, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs root on Linux, and setpriv")
    workflow.configure(TINY)
    before = {path: path.stat().st_mtime_ns for path in workflow.folder.rglob("*")}
    with ExitStack() as stack:
        studies = []
        for uid, become in people.items():
            home = stack.enter_context(TemporaryDirectory())
            os.chown(home, uid, uid)
            own = {
                "HOME": home,
                "USER": f"person {uid}",
                "SSLFAST_DATA": f"{home}/data",
                "XDG_CACHE_HOME": f"{home}/.cache",
            }
            snakemake = ["-s", str(workflow.folder / "Snakefile")]
            studies.append(begin(Path(home), *snakemake, become=become, env={**os.environ, **own}))
        for study in studies:
            assert "The report: reports/tiny/report.html" in ended(study)
    assert {path: path.stat().st_mtime_ns for path in workflow.folder.rglob("*")} == before
