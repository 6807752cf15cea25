"""Every method, evaluation and control as a stage of a study: what its record holds, and that it can be repeated."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sslfast.data.splits import make_split
from sslfast.errors import ConfigError
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pixels, pretrain, shuffle
from sslfast.study.config import check_config
from sslfast.study.depends import method_settings
from sslfast.study.methods import methods
from sslfast.study.records import read_record, write_record

from builders import SCHEMA  # isort: skip
from every_method import TEACHER, encoder_for, options_of  # isort: skip

RUN = RunSettings(study="test", budget="epochs", batch_size=64, precision="float32")
RECORDED = {
    "autoencoder": {"rmse"},
    "vae": {"rmse", "kl", "reconstruction"},
    "simclr": {"alignment", "uniformity", "embedding_std"},
    "vicreg": {"invariance", "variance", "covariance", "embedding_std"},
    "gan": {"real_accuracy", "fake_accuracy", "generator_loss", "diversity"},
    "rotation": {"accuracy"},
    "distill": {"explained"},
    "barlow": {"invariance", "redundancy", "embedding_std"},
    "byol": {"embedding_std"},
    "mae": {"rmse"},
}
PICTURES = {
    "autoencoder": {"reconstructions"},
    "mae": {"reconstructions"},
    "vae": {"reconstructions", "samples", "traversals"},
    "gan": {"samples"},
}


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


def fit_of(method: str, **changes) -> FitSettings:
    """The settings that a config gives `method` by default, for two epochs."""
    given = {"dataset": "digits", "unlabelled": [1], "labelled": [1], "methods": [method], "base": {"net": TEACHER}}
    study = check_config({**given, "encoders": [encoder_for(method)]}, SCHEMA)
    fit = FitSettings(**method_settings(study, method))
    return replace(fit, options={**fit.options, **options_of(method)}, **{"epochs": 2, **changes})


def without_times(record):
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in record.history]
    return replace(record, history=history, seconds={})


@pytest.mark.parametrize("method", methods())
def test_every_method_gives_an_encoder_a_record_of_its_own_measures_and_pictures(digits, split, tmp_path, method):
    runs = [
        pretrain(digits, split, RUN, fit_of(method), method=method, encoder=encoder_for(method), u="0.3", pool="all")
        for _ in range(2)
    ]
    (encoder, record, pictures), (again, same, _) = runs
    assert record.status == "ok"
    for row in record.history:
        assert {"feature_std", "effective_rank", *RECORDED[method]} <= set(row)
        assert all(np.isfinite(value) for value in row.values())
    assert set(pictures) == {"features", *PICTURES.get(method, ())}
    assert all(p.dtype == np.uint8 for name, p in pictures.items() if name != "features")
    assert set(record.features) == {"cluster_accuracy", "cluster_nmi"}
    write_record(record, tmp_path / "r.json")
    assert read_record(tmp_path / "r.json") == record
    assert without_times(record) == without_times(same)
    assert all(
        torch.equal(a, b) for a, b in zip(encoder.state_dict().values(), again.state_dict().values(), strict=True)
    )


@pytest.fixture(scope="module")
def made(digits, split, tmp_path_factory):
    """The files of an encoder that has learned a little."""
    folder = tmp_path_factory.mktemp("made")
    encoder, record, _ = pretrain(digits, split, RUN, FitSettings(epochs=10, lr=3e-3), encoder="conv", u="1")
    save_encoder(encoder, folder / "e.safetensors", **encoder_header(record))
    write_record(record, folder / "e.json")
    return {"encoder_file": folder / "e.safetensors", "pretrain_record": folder / "e.json"}


@pytest.mark.parametrize("evaluate", ["head", "linear", "knn", "finetune"])
def test_every_evaluation_scores_above_chance_and_the_same_again(digits, split, made, evaluate):
    fit = FitSettings(epochs=10, lr=3e-3)
    (p1, record), (p2, again) = (
        classify(digits, split, RUN, fit, l="0.5", evaluate=evaluate, **made) for _ in range(2)
    )
    assert np.array_equal(p1, p2)
    assert without_times(record) == without_times(again)
    assert record.stage == {"head": "classify"}.get(evaluate, evaluate)
    assert record.test["accuracy"] == (p1 == digits.test.y.numpy()).mean() > 0.5
    assert bool(record.history) == (evaluate in ("head", "finetune"))
    assert record.features == read_record(made["pretrain_record"]).features


def test_what_an_evaluation_chose_is_noted(digits, split, made):
    linear, knn = (
        classify(digits, split, RUN, FitSettings(options=options), l="0.5", evaluate=name, **made)[1]
        for name, options in (("linear", {"pooling": "mean"}), ("knn", {"k": 5, "temperature": 0.1}))
    )
    assert linear.notes["converged"] in (True, False) and linear.notes["penalty"] > 0
    assert (knn.notes["k"], knn.notes["temperature"]) == (5, 0.1)
    assert linear.settings["options"] == {"pooling": "mean"}


def test_an_unknown_evaluation_is_named(digits, split, made):
    with pytest.raises(ConfigError, match="evaluate: found 'svm', expected one of head, linear, knn, finetune"):
        classify(digits, split, RUN, FitSettings(), evaluate="svm", **made)


def test_the_shuffled_control_has_the_same_weights_in_other_places(digits, split, made, tmp_path):
    control, record = shuffle(digits, split, RUN, **made)
    own = load_file(made["encoder_file"])
    for name, weights in control.state_dict().items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(weights.flatten().sort().values, own[name].flatten().sort().values)
            assert not torch.equal(weights, own[name]) or bool((weights == weights.flatten()[0]).all())
    assert (record.spec.method, record.status, record.history) == ("shuffled_autoencoder", "ok", [])
    assert record.settings == read_record(made["pretrain_record"]).settings
    save_encoder(control, tmp_path / "s.safetensors", **encoder_header(record))
    write_record(record, tmp_path / "s.json")
    files = {"encoder_file": tmp_path / "s.safetensors", "pretrain_record": tmp_path / "s.json"}
    scores = [classify(digits, split, RUN, FitSettings(), l="0.5", evaluate="linear", **f)[1] for f in (files, made)]
    assert scores[0].spec.method == "shuffled_autoencoder"
    assert scores[0].test["macro_f1"] < scores[1].test["macro_f1"]


def test_pixels_are_judged_without_a_network(digits, split, tmp_path):
    predictions, record = pixels(digits, split, RUN, l="0.5")
    assert (record.stage, record.box.name, record.history) == ("pixels", "pixels/l0.5-s0", [])
    assert record.test["accuracy"] == (predictions == digits.test.y.numpy()).mean() > 0.9
    (tmp_path / "pixels").mkdir()
    write_record(record, tmp_path / "pixels/l0.5-s0.json")
    assert read_record(tmp_path / "pixels/l0.5-s0.json") == record


def test_methods_and_configs_agree_on_options_and_their_defaults():
    import inspect

    for method, kind in methods().items():
        known = inspect.signature(kind.load()).parameters
        for name, value in fit_of(method).options.items():
            if name in options_of(method):  # a config names it, and a script gives it
                continue
            default = known[name].default
            assert value == default or (default is None and not value) or value == list(default)
