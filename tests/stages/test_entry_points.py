"""The work of each rule, told what Snakemake tells a script, makes a study's files without Snakemake."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from grids import checked

from sslfast.errors import ConfigError, RecordError
from sslfast.runtime.jobs import RunningJob
from sslfast.stages import entry_points
from sslfast.study.depends import asked_of
from sslfast.study.grid import Box
from sslfast.study.records import read_record

DATA = {"dataset": "digits", "test_fraction": 0.2, "test_seed": 0}
FIT = {"pretrain": {"epochs": 1}, "classify": {"epochs": 1}}
SPLIT = {"split": "s.parquet"}
ENCODER = {"method": "autoencoder", "seed": "0", "encoder": "conv", "u": "0.2", "length": "", "of": ""}
BOX = {**ENCODER, "l": "0.5"}
MADE = Box.of("pretrain", ENCODER)
CELL = {**SPLIT, "encoder": MADE.path("encoder"), "pretrained": MADE.path("record")}


class Named(list):
    """Values in a row and by name, as Snakemake tells them."""

    def __init__(self, **values):
        super().__init__(values.values())
        self.get, self.__dict__ = values.get, {**values, "get": values.get}


class Rules:
    """Does the work of rules in a folder."""

    def __init__(self, folder: Path, **config):
        self.folder = folder
        self.study = checked(encoders=["conv"], batch_size=64, budget="epochs", device="cpu", **FIT, **config)

    def do(self, rule, given: dict, made: dict, box: Box | None = None) -> None:
        wildcards = Named(seed=str(box.seed if box else 0))
        params = Named(asked=asked_of(self.study, box or Box(rule.__name__)), content={})
        files = (Named(**{name: str(self.folder / file) for name, file in of.items()}) for of in (given, made))
        rule(RunningJob(self.study, wildcards, params, *files))

    def pretrain(self, **wildcards) -> dict[str, str]:
        """The files that it makes of an encoder."""
        box = Box.of("pretrain", {**ENCODER, **wildcards})
        made = {kind: box.path(kind) for kind in ("encoder", "pictures", "record")}
        self.do(entry_points.pretrain, SPLIT, made, box)
        return made

    def train(self, rule, stage: str, given: dict, **wildcards):
        """The record that the rule wrote, and the predictions beside it."""
        box = Box.of(stage, {**BOX, **wildcards})
        made = {kind: box.path(kind) for kind in ("record", "predictions")}
        self.do(rule, given, made, box)
        return read_record(self.folder / made["record"]), np.load(self.folder / made["predictions"])


@pytest.fixture(scope="module")
def rules(tmp_path_factory, own_data_root):
    """With its split and an encoder."""
    rules = Rules(tmp_path_factory.mktemp("study"), data_root=str(own_data_root))
    rules.do(entry_points.split, {}, SPLIT)
    rules.pretrain()
    return rules


def test_images_are_described_with_what_they_were_read_with(rules):
    rules.do(entry_points.images, {}, {"images": "images.json"})
    about = json.loads((rules.folder / "images.json").read_text())
    assert about["settings"] == DATA
    assert about["known_by"] == entry_points.known_by(rules.study)


def test_an_encoder_comes_with_its_pictures_and_the_record_of_what_was_asked_for(rules):
    spec = read_record(rules.folder / MADE.path("record")).spec
    assert (spec.method, spec.encoder, spec.u, spec.l, spec.pool, spec.seed) == (
        "autoencoder",
        "conv",
        "0.2",
        None,
        "all",
        0,
    )
    with np.load(rules.folder / MADE.path("pictures")) as pictures:
        assert "reconstructions" in pictures.files


def test_an_encoder_of_pool_rest_is_of_one_labelled_fraction(rules, monkeypatch):
    monkeypatch.setattr(rules, "study", replace(rules.study, pool="rest"))
    made = rules.pretrain(of="-l0.5")
    assert read_record(rules.folder / made["record"]).spec.l == "0.5"
    with pytest.raises(ConfigError, match=r"l: 0\.1, but with pool: rest this encoder belongs to 0\.5"):
        given = {**SPLIT, "encoder": made["encoder"], "pretrained": made["record"]}
        rules.train(entry_points.classify, "classify", given, l="0.1")


def test_a_shuffled_encoder_is_a_control_of_the_trained_one(rules):
    made = {"encoder": "shuffled.safetensors", "record": "shuffled.json"}
    rules.do(entry_points.shuffle, {**SPLIT, "encoder": CELL["encoder"], "record": CELL["pretrained"]}, made, MADE)
    assert read_record(rules.folder / "shuffled.json").spec.method == "shuffled_autoencoder"
    assert (rules.folder / "shuffled.safetensors").read_bytes() != (rules.folder / CELL["encoder"]).read_bytes()


@pytest.mark.parametrize(
    "rule, given, stage, method",
    [
        (entry_points.classify, CELL, "classify", "autoencoder"),
        (entry_points.classify, CELL, "knn", "autoencoder"),
        (entry_points.supervised, SPLIT, "supervised", "supervised"),
        (entry_points.pixels, SPLIT, "pixels", "pixels"),
    ],
)
def test_a_run_leaves_its_record_and_a_prediction_for_each_test_image(rules, rule, given, stage, method):
    record, predictions = rules.train(rule, stage, given)
    assert (record.stage, record.spec.method, record.spec.l, record.status) == (stage, method, "0.5", "ok")
    assert record.asked == asked_of(rules.study, record.box)
    assert len(predictions) == np.sum(record.test["confusion"])


def test_a_shorter_run_says_what_it_is_called_and_trains_for_its_share(rules, monkeypatch):
    shorter = {**rules.study.supervised, "epochs": 2}
    monkeypatch.setattr(rules, "study", replace(rules.study, supervised=shorter))
    record, _ = rules.train(entry_points.supervised, "supervised", SPLIT, length="-half")
    assert record.spec.length == "half" and record.asked["share"] == 0.5
    assert len(record.history) == 1


def test_a_split_of_another_seed_is_no_input(rules):
    with pytest.raises(RecordError, match="seed"):
        rules.train(entry_points.supervised, "supervised", SPLIT, seed="1")
