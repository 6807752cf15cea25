"""Studies by real Snakemake with hostile names, odd configs and full disks: nothing is run, lost or left half done."""

import zipfile
from pathlib import Path

import pytest
import yaml
from hostile import try_all, trying
from PIL import Image
from sklearn.datasets import load_digits
from strange_configs import SCHEMA, YAML, configs
from studies import TINY, Workflow, error_line

from sslfast.errors import ConfigError
from sslfast.study.config import check_config

TITLE = "`a`_ |x| **b** $(touch pwned) `touch pwned` '\" {config} \\"


@pytest.fixture
def hostile(tmp_path) -> Workflow:
    """A workflow in a folder, over images in a folder, with classes of which each has a name that is a command."""
    here = tmp_path / "it's; $(touch pwned) `touch pwned` {x} & y"
    images, digits = here / 'my <script>alert(1)< {images} "$(touch pwned)" \n', load_digits().images
    for number, name in enumerate(["$(touch pwned)", "<script>alert(1)<", "=1+1", "-rf", "a\nb", "\udcff\x1b[31m"]):
        (images / "train" / name).mkdir(parents=True)
        for i in range(5):
            picture = Image.fromarray((digits[10 * i + number] * 15).astype("uint8"))
            picture.save(images / "train" / name / f"{i}.png")
    (images / "train/-rf/`touch pwned`<script>.png").write_bytes(b"broken")
    workflow = Workflow(here)
    workflow.config = {**TINY, "dataset": "folder", "folder": str(images), "title": TITLE, "on_bad_image": "skip"}
    workflow.config |= {"image_size": 8, "channels": 1, "unlabelled": [0, 1], "labelled": [1]}
    workflow.config |= {"data_root": str(here / "data $(touch pwned) {y}")}
    return workflow


def nothing_was_run(folder: Path) -> bool:
    return not list(folder.parent.rglob("pwned"))


def test_names_of_folders_classes_and_titles_reach_no_shell_and_no_format(hostile):
    result = hostile.run("results/tiny/images.json", config=hostile.config)
    assert result.returncode == 0, result.stderr
    assert "\x1b[31m" not in result.stdout + result.stderr
    assert '"images_skipped": 1' in (hostile.folder / "results/tiny/images.json").read_text()
    assert nothing_was_run(hostile.folder)


@pytest.mark.long
def test_a_whole_study_with_hostile_names_ends_in_reports_that_obey_none_of_them(hostile):
    result = hostile.run(config=hostile.config)
    assert result.returncode == 0, result.stderr
    page = (hostile.folder / "reports/tiny/report.html").read_text()
    assert page.count("<script>") == 1, "the page's own"
    assert "train/-rf/`touch pwned`&lt;script&gt;.png" in page
    result = hostile.run("--report", "report.zip", config=hostile.config)
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(hostile.folder / "report.zip") as archive:
        texts = {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
    for name, text in texts.items():
        if name.endswith((".html", ".js", ".json", ".svg")):
            assert "<script>alert" not in text, name
    assert nothing_was_run(hostile.folder)


@pytest.mark.parametrize("title", ["a\n\n.. raw:: html\n\n   <script>alert(1)</script>", "</script><script>alert(1)"])
def test_a_title_that_would_be_more_than_text_stops_before_anything_starts(tmp_path, title):
    workflow = Workflow(tmp_path)
    assert "title: found" in error_line(workflow.ask(config={**TINY, "title": title}))


@trying(3, 60)
def test_any_config_is_planned_or_ends_in_one_line_of_real_snakemake(n, tmp_path):
    workflow = Workflow(tmp_path)

    def holds(config) -> str:
        try:
            found = check_config(yaml.safe_load(config) if isinstance(config, str) else config, SCHEMA)
            if len(found.unlabelled) * len(found.labelled) * len(found.seeds) > 500:
                return "too large to wait for"
        except (ConfigError, yaml.YAMLError, ValueError, TypeError, AttributeError):
            pass
        try:
            text = config if isinstance(config, str) else yaml.safe_dump(config)
            (tmp_path / "config/config.yaml").write_text(text, encoding="utf-8")
        except (yaml.YAMLError, ValueError, RecursionError):
            return "no YAML"
        result = workflow.ask("-n", "--quiet", "all")
        assert "Traceback" not in result.stderr, text
        assert not (tmp_path / "results").exists()
        if result.returncode == 0:
            return "planned"
        lines = [line for line in (result.stdout + result.stderr).splitlines() if "error" in line.lower()]
        assert lines, text
        return "one line" if lines[-1].startswith("error: ") else f"Snakemake's own: {lines[0][:50]}"

    try_all(n, holds, configs() | configs() | configs() | configs() | YAML)
