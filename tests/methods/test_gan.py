"""The GAN: both networks get the gradients that are theirs, and training is stable and can be seen to be."""

import numpy as np
import pytest
import torch
from fastai.learner import load_learner
from garbage import tensors_left_by
from generative_checks import (
    fitted,
    folder_loaders,
    goes_on_as_if_never_killed,
    is_stored_and_classified_over,
    quiet,
    same,
    state,
)
from torch import nn

from sslfast import image_dls, random_encoder
from sslfast.errors import ConfigError
from sslfast.methods.gan import GAN, AdversarialLoss, Discriminator, Diversity, create_generator, gan_learner
from sslfast.models import create_encoder
from sslfast.models.latents import ToLatent


@pytest.fixture
def make(digits):
    """`make(**options)`: a new learner over new loaders, always the same one."""

    def learner(encoder="conv", **options):
        dls = image_dls(digits, unlabelled=0.5, seed=0, bs=64, device="cpu").pretrain
        return gan_learner(dls, encoder, seed=0, **{"precision": "float32", **options})

    return learner


def small_gan(encoder="conv", channels=1, size=8, precision="float32"):
    body = create_encoder(encoder, channels, size)
    head = nn.Sequential(nn.LeakyReLU(0.2), ToLatent(body.out_shape, 1))
    mean, std = torch.full((1, channels, 1, 1), 0.4), torch.full((1, channels, 1, 1), 0.2)
    generator = create_generator(6, (channels, size, size))
    return GAN(Discriminator(body, head, precision), generator, 6, mean, std)


# ── the loss ────────────────────────────────────────────────────────────────────────────────────


def naive(pred, r1):
    """The discriminator's loss, and all that is minimised, of float64 `[N, 4]`: one number an image."""
    real, fake, fooled, slope = pred.T
    discriminator = -np.log(1 / (1 + np.exp(-real))) - np.log(1 - 1 / (1 + np.exp(-fake)))
    return discriminator, discriminator + r1 / 2 * slope - np.log(1 / (1 + np.exp(-fooled)))


def test_its_value_is_the_cross_entropy_of_the_discriminator():
    pred = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected, _ = naive(pred.numpy(), 3.0)
    assert np.allclose(AdversarialLoss(3.0, reduction="none")(pred, None).numpy(), expected, rtol=1e-12)
    assert float(AdversarialLoss(3.0)(pred, None)) == pytest.approx(expected.mean(), rel=1e-12)
    assert float(AdversarialLoss()(torch.zeros(5, 4), None)) == pytest.approx(2 * np.log(2))


def test_its_gradients_are_those_of_both_losses_and_the_penalty():
    pred = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    AdversarialLoss(3.0)(pred, None).backward()
    values, step = pred.detach().numpy(), 1e-6
    for place in np.ndindex(*values.shape):
        ends = []
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * step
            ends.append(naive(moved, 3.0)[1].mean())
        assert float(pred.grad[place]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_scores_far_off_give_finite_losses_and_gradients():
    pred = torch.tensor([[-1e4, 1e4, -1e4, 1.0], [1e4, -1e4, 1e4, 0.0]], requires_grad=True)
    loss = AdversarialLoss()(pred, None)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1e4)
    assert bool(pred.grad.isfinite().all())


def test_gradients_of_the_discriminators_loss_are_right():
    scores = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    rest = torch.zeros(5, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: AdversarialLoss()(torch.cat([s, rest], 1), None), scores)


# ── the model ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoder", ["original", "conv"])
def test_each_network_gets_gradients_of_its_own_loss_only(encoder):
    model = small_gan(encoder).train()
    pred = model(torch.randn(5, 1, 8, 8))
    ours, others = list(model.discriminator.parameters()), list(model.generator.parameters())
    for columns, trained, spared in (([0, 1, 3], ours, others), ([2], others, ours)):
        value = pred[:, columns].square().sum()
        gradients = torch.autograd.grad(value, trained, retain_graph=True)
        assert any(bool(g.any()) for g in gradients)
        assert all(bool(g.isfinite().all()) for g in gradients)
        assert not any(bool(g.any()) for g in torch.autograd.grad(value, spared, retain_graph=True))


def test_the_slope_is_the_squared_length_of_the_scores_gradient_in_the_image():
    torch.manual_seed(0)
    model, x = small_gan("original").train(), torch.randn(3, 1, 8, 8)
    slope = model(x)[:, 3].detach()
    with torch.no_grad():
        for image in range(3):
            total, step = 0.0, 1e-3  # short, lest a ReLU bends between its two ends
            for place in np.ndindex(8, 8):
                ends = []
                for sign in (1, -1):
                    moved = x[image : image + 1].clone()
                    moved[0, 0][place] += sign * step
                    ends.append(float(model.discriminator(moved)))
                total += ((ends[0] - ends[1]) / (2 * step)) ** 2
            assert float(slope[image]) == pytest.approx(total, rel=0.02)


def test_the_penalty_of_a_linear_discriminator_is_the_length_of_its_weights_and_its_gradient_twice_them():
    linear = nn.Conv2d(1, 1, 8)
    head = nn.Flatten()
    model = GAN(Discriminator(linear, head), create_generator(6, (1, 8, 8)), 6, torch.zeros(1), torch.ones(1)).train()
    slope = model(torch.randn(4, 1, 8, 8))[:, 3]
    length = float(linear.weight.detach().double().square().sum())
    assert slope.detach().numpy() == pytest.approx(np.full(4, length), rel=1e-5)
    (gradient,) = torch.autograd.grad(slope.mean(), linear.weight)
    assert torch.allclose(gradient, 2 * linear.weight.detach(), atol=1e-6)


def test_batchnorm_statistics_of_the_encoder_are_those_of_images_not_of_samples():
    model, x = small_gan("conv").train(), torch.randn(6, 1, 8, 8)
    reference = Discriminator(model.encoder, model.discriminator.head)
    expected = state(reference)
    other = small_gan("conv").train()
    other.load_state_dict(model.state_dict())
    other.discriminator(x)
    model(x)
    assert same(state(model.encoder), state(other.encoder))
    assert not same(expected, state(reference))
    assert all(int(value) == 1 for name, value in model.encoder.named_buffers() if name.endswith("tracked"))


def test_samples_get_the_noise_that_is_on_the_images():
    model, seen = small_gan("conv", 3).train(), []
    model.discriminator.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    clean, noise = torch.rand(4, 3, 8, 8), torch.randn(4, 3, 8, 8) / 10
    torch.manual_seed(3)
    model((clean - 0.4) / 0.2 + noise, clean)
    torch.manual_seed(3)
    model((clean - 0.4) / 0.2, clean)
    images, made, made_again, *without = seen
    assert torch.equal(made, made_again)
    assert torch.allclose(images - without[0], noise, atol=1e-5)
    assert torch.allclose(made - without[1], noise, atol=1e-5)


@pytest.mark.parametrize("encoder", ["original", "conv"])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (1, 32), (3, 33)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images_of_any_size_are_made_and_scored(encoder, channels, size, precision):
    model = small_gan(encoder, channels, size, precision)
    x = torch.randn(3, channels, size, size)
    for training in (True, False):
        pred = model.train(training)(x)
        assert pred.shape == (3, 4)
        assert pred.dtype == torch.float32
        assert bool(pred.isfinite().all())
    AdversarialLoss()(model.train()(x), None).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())
    samples = model.pictures(x)["samples"]
    assert samples.shape == x.shape
    assert 0 <= float(samples.min()) <= float(samples.max()) <= 1
    assert float((samples[0] - samples[1]).abs().max()) > 0
    assert model.training


def test_samples_are_the_same_every_time_and_draw_from_no_global_generator():
    model = small_gan()
    before = torch.get_rng_state()
    assert torch.equal(model.samples(5), model.samples(5))
    assert torch.equal(before, torch.get_rng_state())


# ── training ────────────────────────────────────────────────────────────────────────────────────


def nearest(samples, images):
    """The mean distance from a sample to the image that is most like it."""
    return float(torch.cdist(samples.flatten(1), images.flatten(1)).min(1).values.mean())


@pytest.mark.parametrize("encoder", ["original", "conv"])
def test_samples_become_like_digits_and_stay_different_from_each_other(make, encoder):
    untrained = make(encoder)
    images = untrained.dls.valid.one_batch()[1].as_subclass(torch.Tensor)
    before = nearest(untrained.model.samples(64), images)
    learn, rows = fitted(lambda: make(encoder), 30, 2e-3)
    samples = learn.model.samples(64)
    assert nearest(samples, images) < 0.85 * before
    assert 0.5 < rows[-1]["diversity"] < 1.5
    assert float((samples[:, None] - samples[None]).abs().amax((2, 3, 4)).fill_diagonal_(1).min()) > 0.1
    expected = {"epoch", "train_loss", "valid_loss", "real_accuracy", "fake_accuracy", "generator_loss", "diversity"}
    assert set(rows[0]) == expected | {"updates", "images"}
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert all(row["train_loss"] > 0.05 for row in rows)  # neither network has won
    assert rows[-1]["generator_loss"] < 5


def test_what_is_recorded_is_that_of_the_whole_validation_set(make):
    learn, rows = fitted(make, 2)
    pred, images = learn.get_preds(ds_idx=1)
    pred, images = pred.double().numpy(), images.double().numpy()
    samples = learn.model.samples(len(images)).double().numpy()
    last = rows[-1]
    assert last["real_accuracy"] == pytest.approx((pred[:, 0] > 0).mean())
    assert last["fake_accuracy"] == pytest.approx((pred[:, 1] <= 0).mean())
    assert last["generator_loss"] == pytest.approx(np.log1p(np.exp(-pred[:, 1])).mean(), rel=1e-5)
    assert last["valid_loss"] == pytest.approx(naive(pred, 0)[0].mean(), rel=1e-5)

    def squared_distances(x):
        return np.mean([np.square(x - np.roll(x, k, 0)).sum() for k in range(1, len(x))])

    assert last["diversity"] == pytest.approx((squared_distances(samples) / squared_distances(images)) ** 0.5, rel=1e-4)


def test_a_generator_that_always_makes_the_same_image_has_no_diversity(make):
    learn = quiet(make(metrics=[Diversity()]))
    nn.init.zeros_(learn.model.generator[0][0].weight)
    assert learn.validate()[1] == pytest.approx(0, abs=1e-6)


def test_a_fit_trains_both_networks_with_a_group_and_a_rate_each_and_little_momentum(make):
    learn = quiet(make())
    before = state(learn.model)
    learn.fit_one_cycle(1, slice(1e-4, 1e-3))
    assert [hyper["mom"] for hyper in learn.opt.hypers] == [0.5, 0.5]
    assert learn.opt.hypers[0]["lr"] < learn.opt.hypers[1]["lr"]
    weights = [name for name, _ in learn.model.named_parameters()]
    assert {name.split(".")[0] for name in weights} == {"discriminator", "generator"}
    unmoved = {name for name in weights if torch.equal(before[name], state(learn.model)[name])}
    assert not unmoved


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_training_bit_for_bit(make, precision):
    (one, rows), (other, again) = (fitted(lambda: make(precision=precision), 2) for _ in range(2))
    assert same(state(one.model), state(other.model))
    assert rows == again
    assert same(state(make().encoder), state(random_encoder(one.dls, "conv", seed=0)))


@pytest.mark.parametrize("encoder", ["original", "conv"])
def test_a_killed_fit_goes_on_as_if_never_killed(make, encoder, tmp_path, monkeypatch):
    assert goes_on_as_if_never_killed(lambda: make(encoder), tmp_path, monkeypatch)


def test_its_encoder_can_be_stored_and_classified_over(make, digits, tmp_path):
    learn, _ = fitted(make, 1)
    assert is_stored_and_classified_over(learn, "gan", digits, tmp_path)


def test_an_exported_learner_makes_the_same_samples(make, tmp_path):
    learn, _ = fitted(make, 1)
    learn.export(tmp_path / "learner.pkl")
    loaded = load_learner(tmp_path / "learner.pkl")
    assert torch.equal(learn.model.samples(4), loaded.model.samples(4))


@pytest.mark.parametrize("own", [False, True])
def test_ordinary_fastai_loaders_and_modules_work_too(image_folder, own):
    dls = folder_loaders(image_folder(train=8, test=0, unlabelled=0))
    body = nn.Sequential(nn.Conv2d(3, 8, 4, stride=3), nn.BatchNorm2d(8), nn.ReLU()) if own else "original"
    learn, rows = fitted(lambda: gan_learner(dls, body, seed=0), 2)
    assert torch.equal(learn.model.mean, torch.full((1, 3, 1, 1), 0.3))
    assert all(np.isfinite(value) for row in rows for value in row.values())


def test_batches_leave_no_garbage_that_holds_on_to_them(make):
    learn = quiet(make())
    learn.fit(1)
    assert tensors_left_by(learn) == []


@pytest.mark.parametrize(("options", "message"), [({"r1": -1}, "r1: found -1"), ({"latent": 0}, "latent: found 0")])
def test_options_that_cannot_be_are_an_error_before_training(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
