"""Denoising and masked autoencoders: what the encoder sees, what is asked of it, and what stays as it was."""

import numpy as np
import pytest
import torch
from fastai.learner import load_learner
from generative_checks import fitted, folder_loaders, goes_on_as_if_never_killed, quiet, same, state
from hypothesis import given
from hypothesis import strategies as st

from sslfast import RMSE, RMSELoss, classifier_learner, image_dls, save_encoder
from sslfast.data.corrupt import hidden_patches, normalisation
from sslfast.errors import ConfigError
from sslfast.methods.autoencoder import HiddenRMSELoss, autoencoder_learner
from sslfast.models import AutoEncoder, as_encoder, create_decoder, initialised_with
from sslfast.training.lean import LeanLearner

OPTIONS = {
    "denoise": {"denoise": 0.3},
    "mask": {"mask": 0.5, "patch": 2},
    "hidden": {"mask": 0.5, "patch": 2, "loss_on": "hidden"},
    "both": {"denoise": 0.1, "mask": 0.25, "patch": 3},
}


@pytest.fixture
def make(digits):
    """`make(**options)`: a new learner over new loaders, always the same one."""

    def learner(encoder="conv", noise=0.1, **options):
        dls = image_dls(digits, unlabelled=0.5, seed=0, bs=64, device="cpu", augment={"noise": noise}).pretrain
        return autoencoder_learner(dls, encoder, seed=0, **{"precision": "float32", **options})

    return learner


@pytest.fixture
def seen(make):
    """`seen(epochs, **options)`: by epoch, what the encoder got in training and in validation, `[N, 1, 8, 8]` each."""

    def watch(epochs=2, **options):
        learn, batches = quiet(make(**options)), []
        learn.model.encoder.register_forward_pre_hook(
            lambda module, given: batches.append((learn.epoch, learn.training, given[0].detach().clone()))
        )
        learn.fit(epochs, 0.0)
        return [
            [torch.cat([x for at, training, x in batches if (at, training) == (epoch, wanted)]) for wanted in (1, 0)]
            for epoch in range(epochs)
        ]

    return watch


# ── which patches ───────────────────────────────────────────────────────────────────────────────


@given(
    high=st.integers(8, 40),
    wide=st.integers(8, 40),
    patch=st.integers(1, 7),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_in_every_image_as_many_whole_patches_of_a_grid_are_hidden(high, wide, patch, share, seed):
    hidden = hidden_patches(3, (high, wide), share, patch, torch.Generator().manual_seed(seed))
    assert hidden.shape == (3, 1, high, wide)
    assert hidden.dtype == torch.bool
    corners = hidden[:, 0, ::patch, ::patch]
    n_patches = -(-high // patch) * -(-wide // patch)
    wanted = min(max(1, round(share * n_patches)), n_patches - 1)
    assert corners.flatten(1).sum(1).tolist() == [wanted] * 3
    whole = np.kron(corners.numpy(), np.ones((1, patch, patch)))[:, :high, :wide]
    assert np.array_equal(whole.astype(bool), hidden[:, 0].numpy())


def test_every_patch_is_hidden_as_often_as_any_other():
    hidden = hidden_patches(20_000, (8, 8), 0.25, 2, torch.Generator().manual_seed(0)).float().mean(0)
    assert hidden.numpy() == pytest.approx(0.25, abs=0.015)


def test_hidden_patches_have_the_mean_colour_and_the_rest_is_as_it_was(seen):
    (_, plain), (_, holed) = seen(1, noise=0)[0], seen(1, noise=0, **OPTIONS["mask"])[0]
    hidden = holed != plain
    assert bool((holed[hidden] == 0).all())
    grid = (holed == 0).view(-1, 4, 2, 4, 2).all(4).all(2)
    assert (grid.flatten(1).sum(1) >= 8).all()  # half of the 16, and any that has the mean colour anyhow
    assert not bool(hidden.view(-1, 4, 2, 4, 2).any(4).any(2).logical_and(~grid).any())


def test_training_hides_others_every_epoch_and_validation_the_same(seen):
    (first, valid), (second, again) = seen(2, noise=0, **OPTIONS["mask"])
    assert torch.equal(valid, again)
    same_patches = ((first == 0) == (second == 0)).flatten(1).all(1)
    assert float(same_patches.float().mean()) < 0.01
    assert float((first == 0).float().mean()) == pytest.approx(0.5, abs=0.001)


# ── noise ───────────────────────────────────────────────────────────────────────────────────────


def test_noise_has_its_standard_deviation_in_pixels_and_validation_has_none(make, seen):
    (plain, valid), (noisy, valid_too) = seen(1, noise=0)[0], seen(1, noise=0, denoise=0.3)[0]
    noise = (noisy - plain) * float(normalisation(make().dls)[1])
    assert float(noise.std()) == pytest.approx(0.3, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert torch.equal(valid, valid_too)


def test_noise_is_another_than_that_of_the_loaders_and_new_every_epoch(make, seen):
    plain = [train for train, _ in seen(2, noise=0)]
    loaders = [train for train, _ in seen(2, noise=0.1)]
    both = [train for train, _ in seen(2, noise=0.1, denoise=0.1)]
    of_loaders = [b - a for a, b in zip(plain, loaders, strict=True)]
    own = [b - a for a, b in zip(loaders, both, strict=True)]
    for one, other in ((own[0], of_loaders[0]), (own[1], of_loaders[1]), (own[0], own[1])):
        correlation = np.corrcoef(one.flatten().numpy(), other.flatten().numpy())[0, 1]
        assert abs(correlation) < 0.02


# ── the loss ────────────────────────────────────────────────────────────────────────────────────


def test_loss_over_hidden_pixels_is_that_of_those_pixels_alone():
    generator = torch.Generator().manual_seed(0)
    pred, target = torch.rand(2, 4, 3, 6, 6, generator=generator, dtype=torch.float64)
    hidden = torch.rand(4, 1, 6, 6, generator=generator) < 0.4
    chosen = np.broadcast_to(hidden.numpy(), pred.shape)
    squares = (pred.numpy() - target.numpy()) ** 2
    assert float(HiddenRMSELoss()(pred, target, hidden)) == pytest.approx(squares[chosen].mean() ** 0.5, rel=1e-9)
    each = [squares[i][chosen[i]].mean() ** 0.5 for i in range(4)]
    assert HiddenRMSELoss("none")(pred, target, hidden).numpy() == pytest.approx(each, rel=1e-9)
    assert torch.autograd.gradcheck(lambda p: HiddenRMSELoss()(p, target, hidden), pred.requires_grad_())
    everything = torch.ones_like(hidden)
    assert float(HiddenRMSELoss()(pred.detach(), target, everything)) == pytest.approx(
        float(RMSELoss()(pred.detach(), target)), rel=1e-12
    )


def test_a_reconstruction_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"reconstruction is \[2, 1, 8, 8\], the image \[2, 3, 8, 8\]"):
        HiddenRMSELoss()(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool))


def test_validation_loss_is_of_hidden_pixels_and_rmse_of_whole_images(make):
    learn, rows = fitted(lambda: make(**OPTIONS["hidden"]), 2)
    rebuilt, (images, hidden) = learn.get_preds(ds_idx=1)
    squares = (rebuilt - images.as_subclass(torch.Tensor)).double().square().numpy()
    assert rows[-1]["rmse"] == pytest.approx(squares.mean() ** 0.5, rel=1e-5)
    assert rows[-1]["valid_loss"] == pytest.approx(squares[hidden.numpy()].mean() ** 0.5, rel=1e-5)
    assert rows[-1]["valid_loss"] != pytest.approx(rows[-1]["rmse"], rel=1e-3)


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_without_options_training_is_as_ever_bit_for_bit(make):
    def as_ever():
        dls = make().dls
        encoder = as_encoder("conv", (1, 8, 8), 0)
        with initialised_with(0, "decoder"):
            decoder = create_decoder(encoder)
        return LeanLearner(dls, AutoEncoder(encoder, decoder), loss_func=RMSELoss(), metrics=[RMSE()])

    (one, rows), (other, expected) = fitted(make), fitted(as_ever)
    assert rows == expected
    assert same(state(one.model), state(other.model))


@pytest.mark.parametrize("how", OPTIONS)
def test_it_learns_and_the_same_seed_gives_the_same_bit_for_bit(make, how):
    (one, rows), (other, again) = (fitted(lambda: make(**OPTIONS[how]), 4, 5e-3) for _ in range(2))
    assert rows == again
    assert same(state(one.model), state(other.model))
    assert all(rows[-1][name] < 0.9 * rows[0][name] for name in ("train_loss", "valid_loss", "rmse"))
    assert not same(state(one.model), state(fitted(make, 4, 5e-3)[0].model))


@pytest.mark.parametrize("how", ["both", "hidden"])
def test_a_killed_fit_goes_on_as_if_never_killed(make, how, tmp_path, monkeypatch):
    assert goes_on_as_if_never_killed(lambda: make(**OPTIONS[how]), tmp_path, monkeypatch)


def test_its_encoder_can_be_stored_and_classified_over(make, digits, tmp_path):
    learn, _ = fitted(lambda: make(**OPTIONS["hidden"]), 1)
    save_encoder(learn.encoder, tmp_path / "e.safetensors")
    dls = image_dls(digits, labelled=0.1, seed=0, bs=32, device="cpu").classify
    over = quiet(classifier_learner(dls, tmp_path / "e.safetensors", seed=0))
    over.fit(1)
    assert same(state(over.model.encoder), state(learn.encoder))


def test_an_exported_learner_rebuilds_what_it_rebuilt_before(make, tmp_path):
    learn, _ = fitted(lambda: make(**OPTIONS["both"]), 1)
    learn.export(tmp_path / "learner.pkl")
    loaded = quiet(load_learner(tmp_path / "learner.pkl"))
    batch = learn.dls.valid.one_batch()
    learn.model.eval()
    assert same(learn.model.pictures(batch[0]), loaded.model.pictures(batch[0]))


@pytest.mark.parametrize("how", OPTIONS)
def test_ordinary_fastai_loaders_work_too(image_folder, how):
    dls = folder_loaders(image_folder(train=8, test=0, unlabelled=0))
    options = {**OPTIONS[how], "patch": 5} if "mask" in OPTIONS[how] else OPTIONS[how]
    _, rows = fitted(lambda: autoencoder_learner(dls, "original", seed=0, **options), 2, 5e-3)
    assert rows[1]["valid_loss"] < rows[0]["valid_loss"]
    assert 0 < rows[1]["rmse"] < 1


def test_pictures_are_reconstructions_of_whole_images_in_pixels_from_0_to_1(make):
    learn = make(**OPTIONS["mask"])
    learn.model.train()
    x = learn.dls.valid.one_batch()[0][:5]
    pictures = learn.model.pictures(x)
    assert learn.model.training
    learn.model.eval()
    with torch.no_grad():
        assert torch.equal(pictures["reconstructions"], learn.model(x))
    assert list(pictures) == ["reconstructions"]
    assert 0 <= float(pictures["reconstructions"].min()) <= float(pictures["reconstructions"].max()) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denoise": -0.1}, "denoise: found -0.1, expected a standard deviation"),
        ({"mask": 1.0}, "mask: found 1.0, expected a share"),
        ({"mask": 0.5, "patch": 0}, "patch: found 0, expected"),
        ({"mask": 0.5, "patch": 8}, "patch: found 8, expected fewer pixels than the 8 of the images"),
        ({"mask": 0.5, "loss_on": "some"}, "loss_on: found 'some', expected all"),
        ({"loss_on": "hidden"}, "loss_on: found 'hidden', expected all, or with mask above 0"),
    ],
)
def test_options_that_cannot_be_are_an_error_before_training(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
