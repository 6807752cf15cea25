"""Features that tell images apart, and those that do not: measured, and a fit that collapses is ended and named."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sslfast import image_dls
from sslfast.data.splits import make_split
from sslfast.methods.vicreg import vicreg_learner
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pretrain
from sslfast.study.records import read_record, write_record
from sslfast.training.collapse import (
    Collapsed,
    EffectiveRank,
    EmbeddingStd,
    FeatureStd,
    effective_rank,
    feature_std,
    probed_features,
)


def gaussian(n: int, d: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def test_features_all_over_the_sphere_have_a_spread_of_one_and_every_direction():
    features = gaussian(4000, 16)
    assert feature_std(features) == pytest.approx(1, abs=0.02)
    assert effective_rank(features) == pytest.approx(16, abs=0.2)


def test_features_that_are_all_alike_have_neither():
    assert feature_std(torch.ones(50, 8)) == pytest.approx(0, abs=1e-6)
    assert effective_rank(torch.ones(50, 8)) == 0
    assert feature_std(torch.zeros(50, 8)) == effective_rank(torch.zeros(50, 8)) == 0


def test_features_on_a_line_have_one_direction():
    assert effective_rank(gaussian(50, 1) * gaussian(1, 8)) == pytest.approx(1, abs=1e-3)


def test_features_of_a_network_that_diverged_are_no_error():
    assert effective_rank(torch.full((5, 3), torch.nan)) == 0


@given(st.integers(2, 40), st.integers(1, 12))
def test_both_are_what_their_formulas_say(n, d):
    x = gaussian(n, d).double().numpy()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert feature_std(torch.from_numpy(x)) == pytest.approx(unit.std(axis=0).mean() * d**0.5, rel=1e-4, abs=1e-6)
    share = np.linalg.svd(x - x.mean(0), compute_uv=False)
    share = share[share > 1e-9] / share.sum()
    assert effective_rank(torch.from_numpy(x)) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-3)


def learner(**options):
    dls = image_dls("digits", unlabelled=0.3, seed=0, bs=64, augment={"noise": 0}, device="cpu").pretrain
    learn = vicreg_learner(dls, "conv", seed=0, precision="float32", **options)
    learn.metrics = [*learn.metrics, FeatureStd(), EffectiveRank(), EmbeddingStd()]
    learn.add_cb(Collapsed())
    return learn


def test_without_what_keeps_images_apart_a_fit_collapses_and_is_ended():
    learn = learner(variance=0, covariance=0)
    with learn.no_bar(), learn.no_logging():
        learn.fit(60, 0.01)
    assert 1 <= learn.collapsed.epoch_collapsed == len(learn.recorder.values) < 60
    assert learn.recorder.values[-1][-1] < 0.01


def test_with_it_the_same_fit_goes_to_its_end():
    learn = learner()
    with learn.no_bar(), learn.no_logging():
        learn.fit(5, 1e-3)
    assert learn.collapsed.epoch_collapsed is None
    assert learn.recorder.values[-1][-1] > 0.1


def test_looking_at_features_changes_nothing():
    learn = learner()
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    learn.model.train()
    first, second = probed_features(learn), probed_features(learn)
    assert torch.equal(first, second)
    assert learn.model.training and isinstance(learn.encoder, nn.Module)
    assert all(torch.equal(before[k], v) for k, v in learn.model.state_dict().items())


def test_a_collapsed_encoder_is_a_named_status_and_its_cells_say_why(digits, tmp_path):
    split, run = make_split(digits, 0), RunSettings(study="test", budget="epochs", batch_size=64, precision="float32")
    fit = FitSettings(epochs=60, lr=0.01, schedule="constant", options={"variance": 0, "covariance": 0})
    encoder, made, pictures = pretrain(digits, split, run, fit, method="vicreg", encoder="conv", u="0.3")
    assert made.status == "collapsed"
    assert made.reason == f"all images had the same features or embeddings after epoch {len(made.history)}"
    assert pictures == {}
    save_encoder(encoder, tmp_path / "e.safetensors", **encoder_header(made))
    write_record(made, tmp_path / "e.json")
    assert read_record(tmp_path / "e.json") == made
    files = {"encoder_file": tmp_path / "e.safetensors", "pretrain_record": tmp_path / "e.json"}
    for evaluate in ("head", "linear", "knn", "finetune"):
        predictions, record = classify(digits, split, run, FitSettings(epochs=1), l="0.1", evaluate=evaluate, **files)
        assert predictions is None
        assert (record.status, record.test) == ("failed", None)
        assert made.reason in record.reason
