"""What the documentation says is tried."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sslfast.study.config import read_schema

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(p for part in ("docs", "config", "reports", "benchmarks", "tests") for p in ROOT.glob(f"{part}/*.md")),
    ]
)


@pytest.mark.parametrize(
    ("page", "scores"), [("README.md", [""]), ("docs/learners.md", ["frozen autoencoder", "supervised"])]
)
def test_scripts_on_pages_run_and_print_scores(page, scores, tmp_path):
    """As they stand there, but for the length of fits."""
    script = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL))
    script, n = re.subn(r"(fit_one_cycle\(|updates=|n_batches=)\d+", r"\g<1>5", script)
    assert n > 1
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = re.findall(r"^(frozen autoencoder|supervised|) *\[([\d., e-]+)\]$", result.stdout, re.MULTILINE)
    assert [name for name, _ in found] == scores
    assert all(0 <= float(value) <= 1 for _, values in found for value in values.split(", ")[1:])


def test_the_notebook_runs_and_compares_two_encoders_with_controls_and_more_labels(tmp_path):
    """Its cells of code, one after the other as a notebook has them, but without one; the curve's fits are shorter."""
    cells = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells), "clear the notebook's outputs"
    script = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    script, n = re.subn(r"(label_curve\(.*updates=)200", r"\g<1>100", script)
    assert n == 1
    script += "\nprint(*curve.table().encoder, *curve.table()['mean'])"
    env = {**os.environ, "TMPDIR": str(tmp_path), "SSLFAST_DATA": str(tmp_path / "data")}
    result = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    scores = dict(re.findall(r"^([a-z ]+): macro-F1 ([\d.]+)$", result.stdout, re.MULTILINE))
    assert set(scores) == {"autoencoder", "simclr", "random encoder", "labels alone"}
    assert float(scores["labels alone"]) > 0.5  # ten classes: it learned
    names = [name for name in ("autoencoder", "simclr", "random encoder", "labels alone") for _ in range(3)]
    found = re.search(rf"{' '.join(names)} ([\d. ]+)$", result.stdout, re.MULTILINE)
    assert found
    assert all(0.3 < float(score) <= 1 for score in found[1].split())


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`: headings, as forges and mkdocs spell them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_exists(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is no file"
        if anchor:
            assert anchor in anchors(target), f"{path} has no heading #{anchor}"


def test_pictures_are_small_and_shown():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = list((ROOT / "docs/images").iterdir())
    assert pictures and [path.name for path in pictures if f"(images/{path.name})" not in text] == []
    assert [path.name for path in pictures if path.stat().st_size > 300_000] == []


def test_every_page_is_in_the_index_and_on_the_site():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("nav:")[1]
    names = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in names if f"({name})" not in index} == set()
    assert {name for name in names if name not in site} == set()


def test_configs_that_the_readme_names_exist():
    named = re.findall(r"config/[\w.-]+\.yaml", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named and [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_every_config_is_in_the_table_of_studies():
    tracked = {p.name for p in (ROOT / "config").glob("*.yaml")}
    page = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert {name for name in tracked if not name.startswith("my-") and f"| `{name}` |" not in page} == set()


@pytest.fixture
def pages(monkeypatch):
    """Scripts in docs/ can be imported."""
    monkeypatch.syspath_prepend(ROOT / "docs")


def test_the_page_of_config_keys_is_the_schemas(pages):
    from config_readme import readme

    schema = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
    assert (ROOT / "config/README.md").read_text(encoding="utf-8") == readme(schema), "run `make docs`"


def test_the_readmes_verdict_is_what_its_tables_say(pages):
    from readme_verdict import readme

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme(text) == text, "run `make docs`"
    told = text.split("written by make docs -->")[1].split("<!-- end")[0]
    for study in ("cifar10-5seeds", "mnist"):
        for row in csv.DictReader((ROOT / f"reports/{study}/tables/contrasts.csv").open(encoding="utf-8")):
            if row["primary"] == "True":
                difference = f"{100 * float(row['difference']):+.1f}".replace("-", "−")
                assert re.search(rf"\| {int(row['n_labelled']):,} \| {difference} \[", told), row["sentence"]


def test_ci_runs_the_readmes_test_command_and_nothing_else():
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
