"""Whole stages from Python, without Snakemake: what they promise about records."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sslfast import stages
from sslfast.data.splits import make_split
from sslfast.errors import ConfigError, RecordError
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, RunSettings, classify, depends_on, encoder_header, pretrain, supervised
from sslfast.study.length import ENCODER_UPDATES, enough_updates
from sslfast.study.records import read_record, write_record

RUN = RunSettings(study="test", budget="epochs", batch_size=32)
FIT = FitSettings(epochs=2, lr=5e-3)


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


def train(digits, split, folder, run=RUN, fit=FIT, l="0.1", **kwargs):  # noqa: E741
    """Pre-train, store, classify: `(predictions, record, pre-training record)`."""
    encoder, made, _ = pretrain(digits, split, run, fit, l=l if kwargs.get("pool") == "rest" else None, **kwargs)
    save_encoder(encoder, folder / "e.safetensors", **encoder_header(made))
    write_record(made, folder / "e.json")
    files = {"encoder_file": folder / "e.safetensors", "pretrain_record": folder / "e.json"}
    return *classify(digits, split, run, fit, l=l, **files), made


def without_times(record):
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in record.history]
    return replace(record, history=history, seconds={})


def test_same_seed_gives_bit_identical_encoder_record_and_predictions(digits, split, tmp_path):
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        torch.manual_seed(hash(name) % 1000)  # whatever went before
        runs.append(train(digits, split, tmp_path / name, encoder="conv", u="0.2"))
    (p1, r1, e1), (p2, r2, e2) = runs
    assert np.array_equal(p1, p2)
    assert without_times(r1) == without_times(r2)
    assert without_times(e1) == without_times(e2)
    assert (tmp_path / "a/e.safetensors").read_bytes() == (tmp_path / "b/e.safetensors").read_bytes()


def test_record_says_what_was_trained_on_and_adds_up(digits, split, tmp_path):
    predictions, record, made = train(digits, split, tmp_path, u="0.2")
    spec = record.spec
    assert (spec.u, spec.l, spec.seed, spec.method) == ("0.2", "0.1", 0, "autoencoder")
    assert spec.n_unlabelled == len(split.unlabelled("0.2")) == made.spec.n_unlabelled
    assert spec.n_labelled == len(split.labelled("0.1"))
    assert [row["images"] for row in record.history] == [spec.n_labelled, 2 * spec.n_labelled]
    assert np.array_equal(np.bincount(predictions, minlength=10), np.sum(record.test["confusion"], axis=0))
    assert record.test["accuracy"] == (predictions == digits.test.y.numpy()).mean()
    assert record.seconds["pretrain"] == made.seconds["pretrain"] > 0
    assert record.seconds["evaluate"] > 0


def test_mistakes_are_the_wrong_predictions_of_highest_confidence(digits, split):
    predictions, record = supervised(digits, split, RUN, FIT, l="0.1")
    mistakes, true = record.test["mistakes"], digits.test.y.numpy()
    assert len(mistakes) == stages.N_MISTAKES
    for m in mistakes:
        assert predictions[m["image"]] == m["predicted"] != m["true"] == true[m["image"]]
    sure = [m["confidence"] for m in mistakes]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > 1 / len(digits.classes)


def test_an_encoder_comes_with_what_it_rebuilds_of_some_validation_images(digits, split):
    originals = digits.train.pixels(split.valid[split.samples(stages.N_PICTURES)]).astype(float)
    errors = []
    for epochs in (1, 12):
        _, record, pictures = pretrain(digits, split, RUN, FitSettings(epochs=epochs, lr=5e-3), encoder="conv", u="1")
        rebuilt = pictures["reconstructions"]
        assert rebuilt.shape == originals.shape
        errors.append(float(np.sqrt(((rebuilt - originals) ** 2).mean()) / 255))
    assert errors[1] < errors[0]
    assert errors[1] == pytest.approx(record.history[-1]["rmse"], rel=0.3)  # of eight of the validation images


def test_random_control_is_the_untrained_start_of_the_autoencoder(digits, split, tmp_path):
    control, record, pictures = pretrain(digits, split, RUN, FIT, method="random", u="0")
    started, _, _ = pretrain(digits, split, RUN, FitSettings(epochs=1, lr=1e-12), u="0.1")
    weights, other = control.state_dict(), started.state_dict()
    assert all(torch.allclose(weights[k], other[k], atol=1e-6) for k in weights)
    assert record.history == []
    assert record.spec.n_unlabelled == 0
    assert set(pictures) == {"features"}  # nothing to rebuild images with


BY_UPDATES, UPDATES = replace(RUN, budget="updates", batch_size=64), FitSettings(updates=80, lr=5e-3)


def test_every_labelled_fraction_gets_the_same_updates_in_batches_no_larger_than_its_labels(digits, split):
    for label in ("0.05", "0.5", "1"):
        _, record = supervised(digits, split, BY_UPDATES, UPDATES, l=label)
        batch = min(64, record.spec.n_labelled)
        assert [row["updates"] for row in record.history] == list(range(2, 81, 2))  # 40 validations
        assert [row["images"] for row in record.history] == [row["updates"] * batch for row in record.history]
        assert record.settings["updates"] == 80 and "epochs" not in record.settings


def test_every_unlabelled_fraction_gets_the_same_updates(digits, split):
    for u in ("0.01", "0.2", "1"):
        _, record, _ = pretrain(digits, split, BY_UPDATES, replace(UPDATES, updates=20), encoder="conv", u=u)
        last = record.history[-1]
        assert (last["epoch"], last["updates"]) == (20, 20)  # no fewer than one update between two validations
        assert last["images"] == 20 * min(64, record.spec.n_unlabelled)


def test_updates_that_are_left_to_the_labels_are_what_those_need_and_a_share_of_them_is_shorter(digits, split):
    whole, half = (
        depends_on(digits, split, BY_UPDATES, FitSettings(share=share), u="0.2")["settings"] for share in (1, 0.5)
    )
    assert (whole["updates"], half["updates"]) == (ENCODER_UPDATES, ENCODER_UPDATES / 2)
    _, record = supervised(digits, split, BY_UPDATES, FitSettings(share=0.01), l="0.1", length="half")
    assert record.settings["updates"] == record.history[-1]["updates"] == enough_updates(record.spec.n_labelled) / 100
    assert record.box.name == "supervised/original-l0.1-s0-half"


def test_by_updates_divergence_is_told_in_updates(digits, split):
    _, record = supervised(digits, split, BY_UPDATES, replace(UPDATES, lr=1e30, schedule="constant"), l="0.1")
    assert record.reason == "a loss was not finite within 2 updates"


def test_an_encoder_is_loaded_as_one_of_its_length_only(digits, split, tmp_path):
    train(digits, split, tmp_path, u="0.2", length="half")
    other = read_record(tmp_path / "e.json")
    write_record(replace(other, spec=replace(other.spec, length="full")), tmp_path / "other.json")
    with pytest.raises(RecordError, match="length is 'half', expected 'full'"):
        classify(
            digits, split, RUN, FIT, encoder_file=tmp_path / "e.safetensors", pretrain_record=tmp_path / "other.json"
        )


def test_pool_rest_trains_on_no_image_that_is_labelled_in_the_cell(digits, split, tmp_path):
    _, record, made = train(digits, split, tmp_path, l="0.5", u="1", pool="rest")
    assert made.spec.l == "0.5"
    assert record.spec.pool == "rest"
    assert record.spec.n_unlabelled == split.n_labelled - record.spec.n_labelled
    assert not set(split.unlabelled("1", "rest", "0.5")) & set(split.labelled("0.5"))
    files = {"encoder_file": tmp_path / "e.safetensors", "pretrain_record": tmp_path / "e.json"}
    with pytest.raises(ConfigError, match=r"belongs to 0\.5: it may have seen labelled images"):
        classify(digits, split, RUN, FIT, l="0.6", **files)
    with pytest.raises(ConfigError, match="l: missing; with pool: rest"):
        pretrain(digits, split, RUN, FIT, pool="rest")


def test_encoder_of_another_spec_is_refused_never_loaded(digits, split, tmp_path):
    train(digits, split, tmp_path, u="0.2")
    other = replace(read_record(tmp_path / "e.json"), spec=replace(read_record(tmp_path / "e.json").spec, u="0.3"))
    write_record(other, tmp_path / "other.json")
    with pytest.raises(RecordError, match=r"u is '0\.2', expected '0\.3'"):
        classify(
            digits, split, RUN, FIT, encoder_file=tmp_path / "e.safetensors", pretrain_record=tmp_path / "other.json"
        )


def edited_header(path, **changes):
    """The same weights under another header."""
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        about = json.loads(file.metadata()["sslfast"])
    del about["checksum"]  # which is that of the other header
    save_file(weights, path, metadata={"sslfast": json.dumps({**about, **changes})})


@pytest.mark.parametrize(
    "entry, value, expected",
    [
        ("fingerprint", "0123456789abcdef", None),
        ("code_version", "0123456789ab", None),
        ("valid_fraction", 0.3, 0.1),
        ("seed", 1, 0),
        ("method", "random", "autoencoder"),
        ("n_unlabelled", 7, None),
        ("dataset", "mnist", "digits"),
    ],
)
def test_encoder_made_of_or_by_something_else_is_refused_by_that(digits, split, tmp_path, entry, value, expected):
    """With another validation share, say, it may have seen images that this cell validates on."""
    train(digits, split, tmp_path, u="0.2")
    edited_header(tmp_path / "e.safetensors", **{entry: value})
    files = {"encoder_file": tmp_path / "e.safetensors", "pretrain_record": tmp_path / "e.json"}
    with pytest.raises(RecordError) as caught:
        classify(digits, split, RUN, FIT, **files)
    assert f"{entry} is {value!r}, expected {expected!r}"[: None if expected is not None else -4] in str(caught.value)
    assert "delete it and make it anew" in str(caught.value)


def test_a_dropout_that_is_left_to_the_labels_is_that_of_the_cell_in_network_and_record(
    digits, split, tmp_path, monkeypatch
):
    monkeypatch.setattr("sslfast.models.heads.FEW", (100, 0.35))
    monkeypatch.setattr("sslfast.models.heads.MANY", (400, 0.2))
    _, few = supervised(digits, split, RUN, FIT, l="0.05")
    _, record, _ = train(digits, split, tmp_path, u="0.2", l="0.5")
    assert few.settings["dropout"] == 0.35 and record.settings["dropout"] == 0.2
    _, told, _ = train(digits, split, tmp_path, u="0.2", l="0.5", fit=replace(FIT, dropout=0.2))
    assert told.history[-1]["valid_loss"] == record.history[-1]["valid_loss"]


def test_record_of_a_classifier_says_how_its_encoder_was_made(digits, split, tmp_path):
    _, record, made = train(digits, split, tmp_path, u="0.2")
    assert record.settings["pretrain"] == made.settings
    assert (record.spec.fingerprint, record.spec.valid_fraction) == (digits.fingerprint, 0.1)
    assert "pretrain" not in made.settings


def test_divergence_is_a_record_and_so_is_a_classifier_over_a_diverged_encoder(digits, split, tmp_path):
    broken = FitSettings(epochs=4, lr=1e30)
    predictions, record = supervised(digits, split, RUN, broken, l="0.1")
    assert (predictions, record.status) == (None, "diverged")
    assert "not finite in epoch 1" in record.reason
    encoder, made, pictures = pretrain(digits, split, RUN, broken, u="0.1")
    assert made.status == "diverged"
    assert len(pictures) == 0
    save_encoder(encoder, tmp_path / "e.safetensors", **encoder_header(made))
    write_record(made, tmp_path / "e.json")
    files = {"encoder_file": tmp_path / "e.safetensors", "pretrain_record": tmp_path / "e.json"}
    predictions, record = classify(digits, split, RUN, FIT, l="0.1", **files)
    assert (predictions, record.status) == (None, "failed")
    assert "encoder is not usable" in record.reason
    write_record(record, tmp_path / "c.json")
    assert read_record(tmp_path / "c.json").test is None


def test_unknown_method_is_named(digits, split):
    with pytest.raises(ConfigError, match="methods: found 'magic', expected one of autoencoder"):
        pretrain(digits, split, RUN, FIT, method="magic")
