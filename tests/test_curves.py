"""Probes and label curves for notebooks, on handwritten digits."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from methods.generative_checks import folder_loaders

from sslfast import autoencoder_learner, classifier_learner, curves, image_dls, knn, label_curve, linear_probe
from sslfast.curves import LABELS_ALONE
from sslfast.errors import ConfigError


@pytest.fixture(scope="module")
def dls(digits):
    return image_dls(digits, labelled=0.1, seed=0, bs=32, n_batches=20, device="cpu")


@pytest.fixture(scope="module")
def pretrained(dls):
    learn = autoencoder_learner(dls.pretrain, "original", seed=0)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(5, 3e-3)
    return learn


@pytest.fixture(scope="module")
def curve(dls, pretrained):
    return label_curve(dls, {"autoencoder": pretrained, "random": "original"}, labelled=[0.1, 0.4], seeds=3, updates=40)


def test_every_encoder_and_the_labels_alone_are_scored_on_the_same_labels(curve, dls):
    runs = curve.runs
    assert len(runs) == 3 * 2 * 3
    assert set(runs.encoder) == {"autoencoder", "random", LABELS_ALONE}
    sizes = {len(dls.split.labelled(fraction)) for fraction in (0.1, 0.4)}
    assert set(runs.n_labelled) == sizes
    assert runs.groupby(["encoder", "n_labelled"]).seed.apply(set).map(lambda seeds: seeds == {0, 1, 2}).all()
    assert runs.macro_f1.between(0, 1).all()
    means = curve.table().set_index(["encoder", "labels"])["mean"]
    assert means["autoencoder", max(sizes)] > means["autoencoder", min(sizes)] > 0.5  # chance is a tenth


def test_intervals_and_paired_gains_are_those_of_the_runs(curve):
    from scipy import stats

    table = curve.table("accuracy")
    assert ((table.low <= table["mean"]) & (table["mean"] <= table.high)).all()
    row = table[table.encoder == "random"].iloc[0]
    at = curve.runs[curve.runs.n_labelled == row.labels].set_index(["encoder", "seed"]).accuracy
    gains = at["random"] - at[LABELS_ALONE]
    low, high = stats.t.interval(0.95, 2, gains.mean(), stats.sem(gains))
    assert (row.gain, row.gain_low, row.gain_high) == pytest.approx((gains.mean(), low, high))
    assert table.gain[table.encoder == LABELS_ALONE].isna().all()


def test_it_draws_a_line_for_each_and_shows_itself_in_a_notebook(curve):
    axes = curve.plot()
    assert [line.get_label() for line in axes.lines] == ["autoencoder", "random", LABELS_ALONE]
    assert "autoencoder" in curve._repr_html_()
    plt.close("all")


def test_encoders_stay_as_they_were_and_the_same_call_gives_the_same_scores(dls, pretrained):
    before = {name: value.clone() for name, value in pretrained.model.state_dict().items()}
    one, other = (
        label_curve(dls, pretrained, labelled=[0.2], seeds=[5], evaluate="knn", baseline="conv", updates=40).runs
        for _ in range(2)
    )
    assert one.equals(other)
    assert list(one.encoder) == ["pre-trained", LABELS_ALONE]
    assert all(torch.equal(value, before[name]) for name, value in pretrained.model.state_dict().items())


def test_without_a_baseline_nothing_is_trained_and_no_gain_is_told(dls, pretrained, monkeypatch):
    monkeypatch.setattr("sslfast.curves.supervised_learner", None)
    table = label_curve(dls, pretrained, labelled=[0.2], seeds=2, baseline=None).table()
    assert table.gain.isna().all()
    assert table.low.isna().all()  # two seeds are too few for an interval


@pytest.mark.parametrize("probe", [linear_probe, knn])
def test_a_probe_scores_an_encoder_in_one_call_on_the_test_images(dls, pretrained, probe):
    found = probe(pretrained, dls)
    assert (found.on, found.n_labelled) == ("test", len(dls.classify.train_ds))
    assert 0.6 < found.macro_f1 <= 1
    assert found.notes
    learn = classifier_learner(dls.classify, pretrained, seed=0)  # its encoder is the same
    assert probe(learn, dls) == found


@pytest.mark.parametrize("probe", [linear_probe, knn])
def test_a_probe_takes_ordinary_fastai_loaders(image_folder, probe):
    found = probe("original", folder_loaders(image_folder(train=8, test=0, unlabelled=0), 16))
    assert found.on == "valid"
    assert 0 <= found.accuracy <= 1
    assert found.n_labelled > 8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dls": 3}, "dls: found int, expected what image_dls gave"),
        ({"evaluate": "svm"}, "evaluate: found 'svm', expected linear or knn"),
        ({"labelled": []}, "labelled: found"),
        ({"labelled": [0, 0.1]}, "labelled: found"),
        ({"labelled": [10]}, "found 10, expected a fraction from 0 to 1"),
        ({"encoders": {LABELS_ALONE: "conv"}}, "encoders: found one called 'labels alone'"),
        ({"seeds": 0}, "seeds: found 0"),
        ({"encoders": {}}, "encoders: found none"),
        ({"encoders": ["conv", "original"]}, "encoders: found a list, expected one, or several by name"),
        ({"labelled": 2}, "labelled: found 2, expected a fraction from 0 to 1"),
        ({"updates": -2}, "updates: found -2, expected a number of updates"),
        ({"updates": "many"}, "updates: found 'many', expected a number of updates"),
        ({"baseline": "convx"}, "encoders: found 'convx', expected one of conv"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_trained(dls, given, message, monkeypatch):
    monkeypatch.setattr(curves, "_features", None)
    with pytest.raises(ConfigError, match=message):
        label_curve(**{"dls": dls, "encoders": "conv", **given})


@pytest.mark.parametrize(
    ("probe", "options", "message"),
    [
        (knn, {"neighbours": 0}, r"neighbours: found \[0\], expected numbers of images, 1 or more"),
        (knn, {"k": 0}, r"neighbours: found \[0\], expected numbers of images, 1 or more"),
        (linear_probe, {"penalties": [1, -1]}, r"penalties: found \[1, -1\], expected numbers above 0"),
    ],
)
def test_settings_of_probes_that_cannot_be_are_one_line(dls, probe, options, message):
    with pytest.raises(ConfigError, match=message):
        probe("conv", dls, **options)


def test_one_setting_of_a_probe_needs_no_list(dls):
    assert knn("conv", dls, neighbours=5).notes["k"] == knn("conv", dls, k=5).notes["k"] == 5
    assert linear_probe("conv", dls, penalties=0.1).notes["penalty"] == 0.1


def test_a_curve_of_another_score_is_refused(curve):
    with pytest.raises(ConfigError, match="metric: found 'f1', expected macro_f1 or accuracy"):
        curve.plot("f1")


def test_probes_refuse_what_are_no_loaders():
    with pytest.raises(ConfigError, match="dls: found list, expected what image_dls gave, or fastai DataLoaders"):
        knn("conv", [np.zeros(3)])
