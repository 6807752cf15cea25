"""What it takes to add a method, an encoder, a data set: one file (or entry), which then goes through a whole study."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders import SCHEMA
from grids import checked

from sslfast.analysis.against_config import check_against_config
from sslfast.analysis.tables import collect, collect_pretraining, collect_shorter
from sslfast.cluster.needs import training_minutes
from sslfast.data.augment import Augment
from sslfast.data.datasets import load_dataset
from sslfast.data.splits import make_split
from sslfast.models import save_encoder
from sslfast.planning.estimate import Estimator
from sslfast.planning.plan import plan_of
from sslfast.planning.sizes import sizes_of
from sslfast.planning.speeds import Speeds
from sslfast.planning.trials import look_at, measure
from sslfast.report.page import write_report
from sslfast.stages import (
    FitSettings,
    RunSettings,
    classify,
    encoder_header,
    pretrain,
    run_settings,
    supervised,
)
from sslfast.study import datasets
from sslfast.study.arrays import write_predictions
from sslfast.study.config import check_config, read_schema
from sslfast.study.depends import asked_of, method_settings
from sslfast.study.encoder_names import encoders
from sslfast.study.grid import jobs_of
from sslfast.study.methods import methods
from sslfast.study.records import read_record, write_record
from sslfast.study.source import Source
from sslfast.study.study import Study

ROOT = Path(__file__).parents[1]
METHOD = '''"""A method that rebuilds blurred images."""
from sslfast.methods.autoencoder import autoencoder_learner
from sslfast.methods.base import method

@method(compare_views=False)
def tiny_learner(dls, encoder="original", strength=1.0, seed=None, precision="auto", **kwargs):
    return autoencoder_learner(dls, encoder, denoise=strength, seed=seed, precision=precision, **kwargs)
'''
SECTION = {
    "type": "object",
    "additionalProperties": False,
    "default": {},
    "description": "Settings of the method.",
    "properties": {**SCHEMA["x-own"], "strength": {"type": "number", "default": 0.1, "description": "Of the noise."}},
}
ENCODER = '''"""A small encoder."""
from torch import nn
from sslfast.models.base import Encoder, register

@register("pebble", cost=0.5, kilobytes=1)
class Pebble(Encoder):
    """One convolution."""
    def __init__(self, channels=3, image_size=32, width=1):
        layers = [nn.Conv2d(channels, round(8 * width), 3, stride=2, padding=1), nn.ReLU()]
        super().__init__(channels, image_size, layers, (round(8 * width), -(-image_size // 2), -(-image_size // 2)))
'''
LOADER = '''"""Stripes, upright or lying."""
import numpy as np
from sslfast.data.images import Arrays

def stripes(root, options, progress):
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    x = np.zeros((240, 12, 12, 1), dtype=np.uint8)
    x[y == 0, ::2], x[y == 1, :, ::2] = 160, 160
    x += rng.integers(0, 90, x.shape, dtype=np.uint8)
    return Arrays(x[:180], y[:180], x[180:], y[180:], ("lying", "upright"))
'''


@pytest.fixture
def added(tmp_path, monkeypatch) -> dict:
    """The schema, with a method and an encoder in files of their own, and a data set."""
    files = (("methods", "tiny", METHOD), ("models", "pebble", ENCODER), ("data", "stripes", LOADER))
    for package, name, text in files:
        folder = tmp_path / package
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        importlib.import_module(f"sslfast.{package}").__path__.append(str(folder))
    source = Source("sslfast.data.stripes", "stripes")
    monkeypatch.setitem(datasets.NAMED, "stripes", datasets.DataSet(240, 12, 1, source, mirrored=False))
    schema = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
    schema["properties"]["tiny"] = SECTION
    yield schema
    for package, name, _ in files:
        importlib.import_module(f"sslfast.{package}").__path__.pop()
        sys.modules.pop(f"sslfast.{package}.{name}", None)


def test_a_method_an_encoder_and_a_data_set_of_one_file_each_go_through_a_whole_study(added, tmp_path):
    study = check_config(
        {
            "dataset": "stripes", "unlabelled": [0, 1], "labelled": [0.5], "seeds": 1, "methods": ["tiny"],
            "encoders": ["pebble", "pebble_x2"], "budget": "epochs", "pretrain": {"epochs": 1},
            "tiny": {"strength": 0.2}, "classify": {"epochs": 5}, "batch_size": 16, "precision": "float32",
            "device": "cpu",
        },
        added,
    )  # fmt: skip
    jobs = {job.name for job in jobs_of(study)}
    assert {"pretrain/tiny-pebble-u1-s0", "classify/tiny-pebble_x2-u1-l0.5-s0", "supervised/pebble-l0.5-s0"} <= jobs
    results = tmp_path / "results"
    records = make(study, results)
    assert {path.relative_to(results / "records").with_suffix("").as_posix() for path in records} == {
        job for job in jobs if "/" in job and not job.startswith("split")
    }
    record = read_record(results / "records/classify/tiny-pebble-u1-l0.5-s0.json")
    assert record.settings["pretrain"]["options"] == {"strength": 0.2}
    assert record.spec.dataset == "stripes"
    outcomes = [path for path in records if path.parent.name != "pretrain"]
    cells, history = collect(outcomes)
    images = json.loads((results / "images.json").read_text())
    check_against_config(cells, images, study, results, collect_shorter(outcomes))
    assert set(cells.method) == {"tiny", "random", "supervised"}
    made = collect_pretraining([path for path in records if path.parent.name == "pretrain"])
    assert "rmse" in made
    write_report(cells, history, study, tmp_path / "report", images)
    page = (tmp_path / "report/report.html").read_text()
    assert all(word in page for word in ("tiny", "pebble", "stripes"))


def make(study: Study, results: Path) -> list[Path]:
    """Every job of the study up to its records, as the workflow's scripts do it; the paths of the records."""
    data = load_dataset("stripes", data_root=results)
    split, run = make_split(data, 0, study.valid_fraction), replace(run_settings(study, 1), features=None)
    results.mkdir(exist_ok=True)
    (results / "images.json").write_text(json.dumps(data.summary()))
    plan(study, data, split, run, results)
    found = []

    def keep(record, predictions=None):
        record = replace(record, asked=asked_of(study, record.box))
        path = results / f"records/{record.box.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if record.stage != "pretrain":
            write_predictions(predictions, path.with_suffix(".npy"))
        write_record(record, path)
        found.append(path)
        return path

    fit = FitSettings(**study.classify)
    for encoder in study.encoders:
        for method, u in (("tiny", 1), ("random", 0)):
            how = FitSettings(**method_settings(study, method))
            net, record, _ = pretrain(data, split, run, how, method=method, encoder=encoder, u=u)
            weights = results / f"{record.box.name.replace('/', '-')}.safetensors"
            save_encoder(net, weights, **encoder_header(record))
            path = keep(record)
            predictions, record = classify(data, split, run, fit, encoder_file=weights, pretrain_record=path, l="0.5")
            keep(record, predictions)
        predictions, record = supervised(data, split, run, replace(fit), encoder=encoder, l="0.5")
        keep(record, predictions)
    return found


def plan(study: Study, data, split, run: RunSettings, folder: Path) -> None:
    """The study's jobs have times, from trials of each kind. (A plan's own trials run in processes of their own.)"""
    jobs = list(jobs_of(study))
    about = {name: look_at(name, data, split, run, study) for name in study.encoders}
    kinds, speeds = {job.kind for job in jobs if job.encoder}, {}
    for number, kind in enumerate(sorted(kinds)):
        known = about[kind.rpartition("/")[2]]
        options = {"views": known["views"], "images": 64, "seconds": 0.2, "folder": folder / f"trial-{number}"}
        speeds[kind] = measure(kind, data, split, run, study, **options)
    views, values = ({name: found[key] for name, found in about.items()} for key in ("views", "values"))
    known = Speeds(1, 0.1, 0.1, "cpu", speeds, {}, views, values)
    found = plan_of(jobs, jobs, Estimator(study, sizes_of(split, len(data.test), study), known), slots=1)
    assert found["left"] == len(jobs) and found["not_measured"] == {}
    for job in jobs:
        if job.encoder:
            assert found["estimates"][job.name][0] > 0


def test_what_a_file_declares_is_all_that_others_ask_for(added):
    assert "tiny" in methods() and not methods()["tiny"].own_views
    assert encoders()["pebble"].widened
    assert training_minutes("pretrain", "pebble", 1e6, 1e5, 32) < training_minutes("pretrain", "resnet18", 1e6, 1e5, 32)
    assert Augment.of("stripes") == Augment(noise=0.1)
    assert datasets.image_shape_of(replace(checked(), dataset="stripes")) == (1, 12, 12)
    assert "stripes" in added["properties"]["dataset"]["enum"]
    assert "`tiny`" in added["properties"]["methods"]["description"]
    assert "`pebble`" in added["properties"]["encoders"]["description"]


def test_every_method_of_the_package_has_a_section_in_the_schema():
    assert set(methods()) <= set(SCHEMA["properties"])


@pytest.mark.parametrize("name", datasets.NAMED)
def test_an_entry_of_a_data_set_names_a_loader_that_is_there(name):
    entry = datasets.NAMED[name]
    assert callable(entry.loader.load())
    assert set(entry.keys) <= set(SCHEMA["properties"])


def test_the_entry_of_the_digits_is_what_their_images_are(digits):
    entry = datasets.NAMED["digits"]
    assert (len(digits.train) + len(digits.test), digits.train.image_size, digits.train.channels) == (
        entry.n_images, entry.side, entry.channels,
    )  # fmt: skip
