"""The masked autoencoder: what its encoder sees, what it learns, and with which encoders it can be."""

import math

import pytest
import torch
from builders import SCHEMA
from grids import checked
from hypothesis import given, settings
from hypothesis import strategies as st
from quiet import quiet

from sslfast import Augment, Checkpoint, image_dls, linear_probe, mae_learner
from sslfast.data.corrupt import hidden_patches
from sslfast.errors import ConfigError
from sslfast.methods.mae import MaskedAutoEncoder
from sslfast.models import create_encoder
from sslfast.models.vit import positions
from sslfast.study.base_nets import encoders_of
from sslfast.study.config import check_config
from sslfast.study.grid import jobs_of
from sslfast.training.callbacks import History, SeedEpochs

NET = {"method": "base", "net": "timm.resnet18"}


@pytest.fixture(scope="module")
def dls(digits):
    return image_dls(digits, labelled=0.05, seed=0, bs=64, device="cpu", augment=Augment())


@settings(max_examples=10)
@given(
    sides=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    channels=st.sampled_from([1, 3]),
    mask=st.floats(0.1, 0.9),
    seed=st.integers(0, 99),
)
def test_hidden_pixels_reach_nothing_and_visible_ones_come_back_as_they_were(sides, channels, mask, seed):
    encoder = create_encoder("vit", channels, sides)
    mean, std = torch.full((1, channels, 1, 1), 0.4), torch.full((1, channels, 1, 1), 0.2)
    model = MaskedAutoEncoder(encoder, 8, mask, mean, std).eval()
    pixels = torch.rand(3, channels, *sides, generator=torch.Generator().manual_seed(seed))
    hidden = hidden_patches(3, sides, mask, encoder.patch, torch.Generator().manual_seed(seed))
    given_ = ((pixels - mean) / std).masked_fill(hidden, math.nan)
    rebuilt = model(given_).detach()
    assert rebuilt.shape == pixels.shape and torch.isfinite(rebuilt).all()
    shown = ~hidden.expand_as(pixels)
    torch.testing.assert_close(rebuilt[shown], pixels[shown])
    assert not torch.isclose(rebuilt[~shown], pixels[~shown]).all()


def test_the_encoder_gives_visible_patches_what_they_tell_each_other_and_all_of_them_the_map():
    encoder = create_encoder("vit", 3, 32).eval()
    x = torch.rand(2, 3, 32, 32)
    everything = torch.arange(64).expand(2, -1)
    torch.testing.assert_close(encoder.tokens(x, everything).mT.unflatten(2, (8, 8)), encoder(x))
    visible = torch.stack([torch.randperm(64)[:16] for _ in range(2)])
    gone = torch.ones(2, 64, dtype=torch.bool).scatter_(1, visible, False).view(2, 1, 8, 8)
    other = x.masked_fill(gone.repeat_interleave(4, 2).repeat_interleave(4, 3), 7.0)
    torch.testing.assert_close(encoder.tokens(x, visible), encoder.tokens(other, visible))
    assert not torch.allclose(encoder(x), encoder(other))


@given(high=st.integers(1, 12), wide=st.integers(2, 12), features=st.sampled_from([8, 32, 96]))
def test_every_place_has_a_position_of_its_own(high, wide, features):
    found = positions((high, wide), features)
    assert found.shape == (high * wide, features)
    apart = torch.cdist(found, found) + torch.eye(high * wide)
    assert float(apart.min()) > 1e-2


def test_it_learns_to_tell_hidden_patches_and_more_than_chance_knows(dls):
    learn = quiet(mae_learner(dls.pretrain, "vit", seed=0))
    learn.fit_one_cycle(8, 3e-3, cbs=(history := History()))
    assert history.rows[-1]["valid_loss"] < 0.8 * history.rows[0]["valid_loss"]
    assert linear_probe(learn, dls).macro_f1 > linear_probe("vit", dls).macro_f1


def test_the_loss_is_of_hidden_pixels_only_and_the_metric_of_whole_images(dls):
    learn = quiet(mae_learner(dls.pretrain, "vit", seed=0, mask=0.5))
    loss, rmse = learn.validate()
    assert rmse == pytest.approx(loss * math.sqrt(0.5), rel=0.02)
    assert learn.get_preds(with_loss=True)[-1].shape == (len(dls.pretrain.valid_ds),)


def test_a_broken_fit_goes_on_to_the_bit(digits, tmp_path):
    def fit(*cbs, stop=None):
        ours = image_dls(digits, unlabelled=0.1, seed=0, bs=64, device="cpu", augment=Augment())
        learn = quiet(mae_learner(ours.pretrain, "vit", seed=0))

        def leave():
            if learn.epoch == stop and learn.training:
                raise KeyboardInterrupt

        learn.corrupt_input.after_step = leave
        learn.fit_one_cycle(3, 1e-3, cbs=[SeedEpochs(0), *cbs])
        return learn.model.state_dict()

    expected = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(Checkpoint(tmp_path / "c"), stop=1)
    assert (tmp_path / "c").exists()
    found = fit(Checkpoint(tmp_path / "c"))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "conv"}, r"encoder: found conv, expected vit, .* autoencoder_learner\(…, mask="),
        ({"mask": 1}, r"mask: found 1, expected a share of the patches"),
        ({"decoder": 6}, r"decoder: found 6, expected a number of features, a multiple of 4"),
    ],
)
def test_what_cannot_be_is_one_line(dls, options, message):
    with pytest.raises(ConfigError, match=message) as error:
        mae_learner(dls.pretrain, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_grid_has_it_with_the_encoders_that_it_can_train_and_others_with_all(seeds):
    study = checked(methods=["mae", "simclr"], encoders=["conv", "vit", "vit_x2"], controls=["shuffled"], seeds=seeds)
    assert encoders_of(study, "mae") == encoders_of(study, "shuffled_mae") == ("vit", "vit_x2")
    jobs = jobs_of(study)
    made = {(job.method, job.encoder) for job in jobs if job.stage == "pretrain"}
    assert {encoder for method, encoder in made if method == "mae"} == {"vit", "vit_x2"}
    assert {encoder for method, encoder in made if method == "simclr"} == {"conv", "vit", "vit_x2"}
    names = {job.name for job in jobs}
    assert all(need in names for job in jobs for need in job.needs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["mae"]}, "encoders: found original, but mae trains vit alone; add that to encoders"),
        (
            {"methods": ["on"], "encoders": ["vit"], "variants": {"net": NET, "on": {"method": "mae", "start": "net"}}},
            r"variants\.on\.start: given, but its method trains vit alone",
        ),
    ],
)
def test_a_config_without_such_an_encoder_is_one_line(changes, message):
    study = {"study": "small", "dataset": "digits", "unlabelled": [0, 1], "labelled": [0.5]}
    with pytest.raises(ConfigError, match=message):
        check_config({**study, **changes}, SCHEMA)
