"""Distillation: what an encoder learns from a teacher, where its features come from, and how configs say it."""

import numpy as np
import pytest
import torch
from builders import SCHEMA
from every_method import TEACHER, options_of, teacher_file
from grids import checked, sizes
from hypothesis import given
from hypothesis import strategies as st
from quiet import quiet
from sklearn.metrics import r2_score
from torch import nn

from sslfast import Augment, Checkpoint, distill_learner, image_dls, linear_probe, supervised_learner
from sslfast.data.splits import make_split
from sslfast.errors import ConfigError
from sslfast.evaluation import StoredFeatures
from sslfast.evaluation import features as stored_features
from sslfast.methods.distill import FeatureLoss, explained, standardised
from sslfast.planning.work import work_of
from sslfast.stages import FitSettings, RunSettings, pretrain
from sslfast.study.base_nets import teacher_of
from sslfast.study.config import check_config
from sslfast.study.depends import asked_of, method_settings
from sslfast.study.grid import jobs_of
from sslfast.training.callbacks import History, SeedEpochs

LR = 5e-3
VIEWS = {"flip": 0}
NET = {"method": "base", "net": "timm.resnet18"}
ARMS = {"methods": ["small"], "variants": {"net": NET, "small": {"method": "distill", "teacher": "net"}}}


@pytest.fixture(scope="module")
def dls(digits):
    return image_dls(digits, labelled=0.05, seed=0, bs=64, device="cpu", augment=Augment())


@pytest.fixture(scope="module")
def teacher(digits):
    """An encoder that has seen all labels."""
    learn = quiet(supervised_learner(image_dls(digits, seed=0, bs=64, device="cpu").classify, "conv", seed=1))
    learn.fit_one_cycle(6, LR)
    return learn


@st.composite
def features(draw) -> tuple[torch.Tensor, torch.Tensor]:
    shape = draw(st.integers(2, 8)), draw(st.integers(2, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return tuple(torch.randn(2, *shape, generator=generator))


@given(pair=features(), scale=st.floats(1, 100), shift=st.floats(-10, 10))
def test_targets_are_standardised_image_by_image_whatever_their_size(pair, scale, shift):
    found = standardised(pair[0])
    values = pair[0].double().numpy()
    expected = (values - values.mean(1, keepdims=True)) / np.sqrt(values.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    if pair[0].std(1, correction=0).min() > 0.3:
        torch.testing.assert_close(standardised(scale * pair[0] + shift), found, atol=2e-3, rtol=1e-3)


@given(pair=features())
def test_the_loss_is_the_mean_square_and_what_is_explained_is_r_squared(pair):
    predicted, true = pair
    each = FeatureLoss(reduction="none")(predicted, true)
    np.testing.assert_allclose(each, ((predicted - true).numpy() ** 2).mean(1), rtol=1e-5)
    assert float(FeatureLoss()(predicted, true)) == pytest.approx(float(each.mean()))
    assert FeatureLoss()(true, true) == 0 and explained(true, true) == 1
    assert float(explained(true.mean(0).expand_as(true), true)) == pytest.approx(0, abs=1e-5)
    expected = r2_score(true, predicted, multioutput="variance_weighted")
    assert float(explained(predicted, true)) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_features_of_another_width_are_no_targets():
    with pytest.raises(ValueError, match="predicted features are"):
        FeatureLoss()(torch.rand(4, 3), torch.rand(4, 1))


def test_without_a_label_it_learns_what_its_teacher_knows(dls, teacher):
    learn = quiet(distill_learner(dls.pretrain, "conv", teacher=teacher, seed=0, views=VIEWS))
    before = {name: value.clone() for name, value in teacher.model.state_dict().items()}
    learn.fit_one_cycle(5, LR, cbs=(history := History()))
    assert history.rows[-1]["explained"] > 0.8 > history.rows[0]["explained"]
    taught, random = linear_probe(learn, dls).macro_f1, linear_probe("conv", dls).macro_f1
    assert taught > random + 0.1
    assert all(torch.equal(value, before[name]) for name, value in teacher.model.state_dict().items())


def test_the_teacher_sees_each_image_once_and_every_batch_gets_what_it_gives_for_its_images(dls):
    class Counting(nn.Module):
        seen = 0

        def forward(self, x):
            Counting.seen += len(x)
            return torch.cat([x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True), x[:, :, 3:4, 3:4]], 1)

    plain = {"crop": 1, "flip": 0}  # the encoder sees the images as they are, too
    learn = quiet(distill_learner(dls.pretrain, "conv", teacher=Counting(), seed=0, views=plain))
    Counting.seen, wrong = 0, []
    own = learn.teacher_features.teacher

    def compare():
        x = learn.xb[0].as_subclass(torch.Tensor)
        n = Counting.seen
        wrong.append(float((standardised(own(x).flatten(1)) - learn.yb[0]).abs().max()))
        Counting.seen = n

    learn.teacher_features.after_pred = compare
    learn.fit(2)
    assert Counting.seen == len(dls.pretrain.train_ds) + len(dls.pretrain.valid_ds)
    assert len(wrong) == 2 * (len(dls.pretrain.train) + len(dls.pretrain.valid))
    assert max(wrong) < 1e-4


def test_a_broken_fit_goes_on_to_the_bit(dls, teacher, tmp_path):
    def fit(*cbs, epochs=4, stop=None):
        ours = image_dls(dls.data, unlabelled=0.2, seed=0, bs=64, device="cpu", augment=Augment())
        learn = quiet(distill_learner(ours.pretrain, "conv", teacher=teacher, seed=0, views=VIEWS))

        def leave():
            if learn.epoch == stop and learn.training:
                raise KeyboardInterrupt

        learn.teacher_features.after_step = leave
        learn.fit_one_cycle(epochs, LR, cbs=[SeedEpochs(0), *cbs])
        return learn.model.state_dict()

    expected = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(Checkpoint(tmp_path / "c"), stop=2)
    assert (tmp_path / "c").exists()
    found = fit(Checkpoint(tmp_path / "c"))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_results_show_images_that_seem_alike_and_losses_are_image_by_image(dls, teacher):
    learn = quiet(distill_learner(dls.pretrain, "conv", teacher=teacher, seed=0, views=VIEWS))
    learn.fit(1, LR)
    axes = learn.shows(learn, dls.pretrain.valid.one_batch(), 4)
    assert [ax.get_title() for ax in axes][:2] == ["input", "most similar"]
    losses = learn.get_preds(with_loss=True)[-1]
    assert losses.shape == (len(dls.pretrain.valid_ds),)
    assert float(losses.mean()) == pytest.approx(learn.validate()[0], rel=1e-4)
    assert learn.predict(dls.data.train.x[0])[2].shape == (128,)


def test_a_study_keeps_the_features_and_another_seed_finds_them(digits, tmp_path, monkeypatch):
    passes, real = [], stored_features.encode_batches

    def counting(net, images, rows, *rest):
        passes.append(len(rows))
        return real(net, images, rows, *rest)

    monkeypatch.setattr(stored_features, "encode_batches", counting)
    run = RunSettings(budget="epochs", batch_size=64, precision="float32", features=str(tmp_path))
    fit = FitSettings(epochs=1, method="distill", options=options_of("distill"))
    first = pretrain(digits, make_split(digits, 0), run, fit, method="small", encoder="conv", u=1)[1]
    n_first = sum(passes)
    pretrain(digits, make_split(digits, 1), run, fit, method="small", encoder="original", u=1)
    whole = len(make_split(digits, 0).pool("all")) + len(make_split(digits, 0).valid)
    assert whole <= n_first < whole + 2 * 64 and sum(passes) == n_first
    assert first.notes["teacher"]["source"] == "file teacher.safetensors" and "base_net" not in first.notes
    assert str(teacher_file()) not in str(first.notes)


def test_stored_features_are_in_place_by_row(digits, tmp_path):
    from sslfast import base_encoder

    split = make_split(digits, 0)
    net = base_encoder(TEACHER, teacher_file(), size=32).for_images(1, 8, split.mean, split.std)
    store = StoredFeatures(net, digits, split, tmp_path, torch.device("cpu"), "float32")
    rows = np.array([5, 3, 900])
    found = store.filled(digits.train, rows)
    assert isinstance(found, np.memmap) and len(found) == len(digits.train)
    assert np.array_equal(found[rows], store(digits.train, rows))
    assert not found[4].any()


def test_a_config_names_a_net_and_the_arm_depends_on_all_of_it(tmp_path):
    study = checked(**ARMS)
    arm = {"net": "timm.resnet18", "weights": "timm", "size": None}
    assert teacher_of(study, "small") == teacher_of(study, "shuffled_small") == arm
    assert method_settings(study, "small")["options"]["teacher"] == arm
    ways = {(job.method, job.encoder, job.u) for job in jobs_of(study) if job.stage == "pretrain"}
    assert {("small", "original", "0.2"), ("small", "original", "1")} <= ways
    job = next(job for job in jobs_of(study) if job.name == "classify/small-original-u1-l0.5-s0")
    assert asked_of(study, job)["variants.small.teacher.net"] == "timm.resnet18"
    plain = checked(methods=["distill"], base={"net": "timm.resnet10t"})
    assert teacher_of(plain, "distill")["net"] == "timm.resnet10t"


def test_weights_in_a_file_are_known_by_their_content(tmp_path):
    files = [tmp_path / "a.pth", tmp_path / "b.pth"]
    for path in files:
        path.write_bytes(b"weights")
    made = [
        check_config(
            {**BASE_STUDY, **ARMS, "variants": {**ARMS["variants"], "net": {**NET, "weights": path.name}}},
            SCHEMA,
            tmp_path,
        )
        for path in files
    ]
    assert teacher_of(made[0], "small") == teacher_of(made[1], "small")
    assert teacher_of(made[0], "small")["weights"].startswith("sha256:")


BASE_STUDY = {"study": "small", "dataset": "digits", "unlabelled": [0, 1], "labelled": [0.5], "seeds": 1}


@pytest.mark.parametrize("teacher", ["autoencoder", "small", "timm.resnet18"])
def test_a_teacher_that_is_no_net_of_the_config_is_one_line(teacher):
    variants = {"net": NET, "small": {"method": "distill", "teacher": teacher}}
    with pytest.raises(ConfigError, match=r"variants\.small\.teacher: found .*, expected one of net, or base"):
        checked(variants=variants, methods=["small"])


def test_a_missing_teacher_is_one_line_or_leaves_its_pupils_out():
    missing = {**NET, "weights": "none.pth"}
    with pytest.raises(ConfigError, match=r"variants\.net\.weights: no file .*none\.pth"):
        checked(**{**ARMS, "variants": {**ARMS["variants"], "net": missing}})
    skip = {
        "methods": ["autoencoder", "small"],
        "variants": {**ARMS["variants"], "net": {**missing, "on_missing": "skip"}},
    }
    study = checked(**skip)
    assert study.methods == ("autoencoder",) and set(study.left_out) == {"small"}


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_plan_has_the_teachers_pass_once_for_all_seeds_fractions_and_encoders(seeds):
    study = checked(**ARMS, seeds=seeds, encoders=["original", "conv"], controls=["shuffled"])
    found = {job.name: work_of(job, study, sizes(study)).encoded for job in jobs_of(study) if job.rule == "pretrain"}
    taught = {name: n for name, n in found.items() if "/small-" in name and n}
    assert sum(taught.values()) == pytest.approx(1100, abs=3)
    assert set(taught) == {f"pretrain/small-original-u1-s{seed}" for seed in range(seeds)}
