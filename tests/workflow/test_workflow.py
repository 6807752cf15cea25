"""The workflow, run by real Snakemake as a user would, in a copy of the repository's root."""

import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from builders import SCHEMA
from PIL import Image
from studies import ROOT, TINY, Workflow, error_line, jobs_of

import sslfast
from sslfast.study.config import check_config
from sslfast.study.grid import shorter_jobs
from sslfast.study.records import read_record


def test_plain_snakemake_goes_from_images_to_report(finished):
    records = sorted((finished.folder / "results/tiny/records").rglob("*.json"))
    assert len(records) == 2 + 4 + 2
    assert all(read_record(path).status == "ok" for path in records)
    cells = pd.read_csv(finished.folder / "results/tiny/tables/cells.csv")
    assert sorted(cells.method.unique()) == ["autoencoder", "random", "supervised"]
    assert len(cells) == 6
    for path in (finished.folder / "results/tiny/records/classify").glob("*.npy"):
        record = read_record(path.with_suffix(".json"))
        predicted = np.bincount(np.load(path), minlength=10)
        assert predicted.tolist() == np.sum(record.test["confusion"], axis=0).tolist()
    report = finished.folder / "reports/tiny"
    assert "what is unlabelled data worth?" in (report / "report.html").read_text()
    assert "what the unlabelled data is worth" in (report / "summary.md").read_text()
    assert {p.suffix for p in (report / "figures").glob("[!.]*")} == {".png", ".svg"}


def test_names_on_disk_carry_canonical_fractions(finished):
    names = {path.name for path in (finished.folder / "results/tiny/encoders").iterdir()}
    assert names == {"random-conv-u0-s0.safetensors", "autoencoder-conv-u0.2-s0.safetensors"}


def test_in_another_folder_the_config_is_the_own_one_of_that_folder_or_the_one_beside_the_snakefile(workflow, tmp_path):
    config = tmp_path / "elsewhere/config/config.yaml"
    config.parent.mkdir(parents=True)
    for own, splits in ((None, 1), ({**TINY, "seeds": 3}, 3)):
        if own:
            config.write_text(yaml.safe_dump(own))
        result = workflow.ask("-n", "--directory", str(tmp_path / "elsewhere"), config=TINY)
        assert result.returncode == 0, result.stderr
        assert jobs_of(result.stdout + result.stderr)["split"] == splits


def test_a_second_run_does_nothing(finished):
    before = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("results/**/*") if p.is_file()}
    result = finished.run(config=TINY)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr
    assert before == {p: p.stat().st_mtime_ns for p in finished.folder.rglob("results/**/*") if p.is_file()}


def test_snakemake_report_builds_the_report_and_needs_no_flags(finished):
    page = finished.folder / "reports/tiny/report.html"
    page.unlink()
    result = finished.run("report", config=TINY)
    assert result.returncode == 0, result.stderr
    assert page.exists()


def test_snakemakes_own_report_holds_every_figure_with_its_caption(finished):
    result = finished.run("--report", "report.zip", config=TINY)
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        names = archive.namelist()
        text = "".join(
            archive.read(n).decode("utf-8", "ignore") for n in names if n.endswith((".html", ".js", ".json"))
        )
    figures = {path.stem for path in (finished.folder / "reports/tiny/figures").glob("*.svg")}
    assert len(figures) > 8
    assert "across_evaluations" not in figures, "encoders that are evaluated in one way: nothing to show"
    assert not any("across_evaluations" in entry for entry in names)
    for name in figures:
        assert any(entry.endswith(f"{name}.svg") for entry in names), name
    for name in ("verdict", "what_next", "trust", "claims"):
        assert any(entry.endswith(f"{name}.html") for entry in names), name
    assert not any(entry.endswith("missing.html") for entry in names), "no run is"
    for category in ("Verdict", "Accuracy", "Time", "Data needed", "Trust"):
        assert category in text
    assert "beats the supervised baseline" in text
    assert "the supervised baseline dashed. It does not show test scores." in " ".join(text.split())


def test_a_figure_that_is_added_as_one_file_stands_in_both_reports(finished, tmp_path):
    study = Workflow.at(shutil.copytree(finished.folder, tmp_path / "study", symlinks=True))
    package = tmp_path / "sslfast"
    shutil.copytree(Path(sslfast.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    old = (package / "report/figures/wall_clock.py").read_text()
    assert '    heading="Wall-clock",' in old and old.startswith('"""How long a cell takes to train')
    new = old.replace('heading="Wall-clock"', 'heading="The same once more"').replace(
        "How long", "Once more how long", 1
    )
    (package / "report/figures/once_more.py").write_text(new)
    result = study.run("report", config=TINY, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "The same once more" in (study.folder / "reports/tiny/report.html").read_text()
    result = study.run("--report", "more.zip", config=TINY, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(study.folder / "more.zip") as archive:
        names = archive.namelist()
        text = "".join(
            archive.read(n).decode("utf-8", "ignore") for n in names if n.endswith((".html", ".js", ".json"))
        )
    assert any(entry.endswith("once_more.svg") for entry in names)
    assert "Once more how long a cell takes to train" in text and "The same once more" in text


def test_pool_rest_gives_every_labelled_fraction_an_encoder_of_its_own(workflow):
    planned = workflow.planned(config={**TINY, "pool": "rest", "unlabelled": [0, 0.2, 1]})
    assert planned["pretrain"] == 1 + 2 * 2


def test_configfile_replaces_the_default_whole(workflow):
    other = {key: value for key, value in TINY.items() if key != "seeds"}  # so the schema's default, 3
    (workflow.folder / "config/other.yaml").write_text(yaml.safe_dump(other))
    planned = workflow.planned("--configfile", "config/other.yaml", config={**TINY, "seeds": 5, "folder": "leaks"})
    assert planned["split"] == 3


@pytest.mark.parametrize("name", ["config", "mnist", "cifar10", "cifar10-quick", "cifar10-5seeds"])
def test_shipped_configs_plan_a_whole_study(workflow, name):
    config = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    planned = workflow.planned(config=config)
    seeds = config["seeds"]
    shorter = Counter(job.rule for job in shorter_jobs(check_config(config, SCHEMA)))
    assert planned["classify"] == len(config["unlabelled"]) * len(config["labelled"]) * seeds + shorter["classify"]
    assert planned["supervised"] == len(config["labelled"]) * seeds + shorter["supervised"]


BAD_CONFIGS = {
    "misspelt key": ({"labeled": [0.1]}, "labeled: unknown key; did you mean labelled?"),
    "a negative price": ({"prices": {"price_per_label": -1}}, "prices.price_per_label: found -1, expected 0 or more"),
    "no gain at all": ({"delta": 0}, "delta: found 0, expected more than 0"),
    "misspelt inner key": ({"pretrain": {"epoch": 3}}, "pretrain.epoch: unknown key; did you mean epochs?"),
    "outside 0 to 1": ({"unlabelled": [0, 1.5]}, "unlabelled: found 1.5, expected a fraction from 0 to 1"),
    "a word": ({"labelled": ["half"]}, "labelled: found 'half', expected a number from 0 to 1"),
    "a duplicate": ({"unlabelled": [1, 1.0]}, "unlabelled: 1 and 1.0 are the same fraction"),
    "unknown data set": ({"dataset": "imagenet"}, "dataset: found 'imagenet', expected one of digits"),
    "unknown method": (
        {"methods": ["magic"]},
        "methods: found 'magic', expected autoencoder, barlow, byol, distill, gan, mae",
    ),
    "unknown encoder": ({"encoders": ["vgg"]}, "encoders: found 'vgg', expected one of conv, original, resnet18"),
    "option of another data set": ({"image_size": 64}, "image_size: given, but dataset is digits"),
    "folder not there": ({"dataset": "folder", "folder": "nowhere"}, "folder: found nothing at nowhere"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_config_ends_with_one_line_before_anything_is_written(workflow, case):
    change, message = BAD_CONFIGS[case]
    result = workflow.ask(config={**TINY, **change})
    assert message in error_line(result)
    assert result.stderr.strip().count("\n") == 0 or "error:" in result.stderr.strip().splitlines()[-1]
    assert not (workflow.folder / "results").exists()


def test_missing_labelled_is_named(workflow):
    config = {key: value for key, value in TINY.items() if key != "labelled"}
    assert "labelled: missing" in error_line(workflow.ask(config=config))


def test_a_study_on_a_folder_of_images_runs_and_a_damaged_image_stops_it_before_training(workflow, image_folder):
    root = image_folder(train=8, test=0, unlabelled=5)
    bad = next((root / "train").rglob("*.png"))
    good = bad.read_bytes()
    bad.write_bytes(good[: len(good) // 2])
    config = {**TINY, "dataset": "folder", "folder": str(root), "image_size": 8, "channels": 1, "unlabelled": [1]}
    result = workflow.run(config=config)
    assert str(bad) in error_line(result)
    assert not list(workflow.folder.rglob("results/tiny/records/**/*.json"))
    assert result.stderr.count(str(bad)) == 1
    assert not list(workflow.folder.rglob("results/tiny/splits/*.parquet"))
    Image.new("L", (8, 8)).save(bad)
    tables = ["results/tiny/tables/cells.csv"]  # test_folder_alone.py goes on to the report
    result = workflow.run(*tables, config=config)
    assert result.returncode == 0, result.stderr
    cells = pd.read_csv(workflow.folder / "results/tiny/tables/cells.csv")
    # of 8 images a class 2 are for testing and 1 for validation; a label of every class needs 3 labels
    assert cells.n_test.unique().tolist() == [6]
    assert cells[cells.method == "autoencoder"].n_unlabelled.unique().tolist() == [3 * 5 + 5]
    assert sorted(cells.n_labelled.unique()) == [3, 8]
    assert "Nothing to be done" in (again := workflow.ask(*tables, config=config)).stdout + again.stderr
    Image.new("L", (8, 8)).save(root / "unlabelled/new.png")
    assert {"images", "split", "pretrain"} <= workflow.planned(config=config).keys()


def test_missing_data_set_without_a_network_says_where_to_put_the_files(workflow, tmp_path):
    root = tmp_path / "root"
    proxies = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    result = workflow.run(config={**TINY, "dataset": "mnist", "data_root": str(root)}, **proxies)
    line = error_line(result)
    assert "mnist is not in" in line
    assert result.stderr.count(line) == 1
    assert str(root / "MNIST/raw") in line
    assert not list(workflow.folder.rglob("results/**/*.parquet"))
