"""The β-VAE: its loss is the evidence lower bound, and what it learns can be seen and used."""

import math

import numpy as np
import pytest
import torch
from fastai.learner import load_learner
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
from sslfast.methods.vae import VAE, ELBOLoss, kl, reconstruction, vae_learner
from sslfast.models import create_decoder, create_encoder
from sslfast.models.latents import FromLatent, ToLatent


@pytest.fixture
def make(digits):
    """`make(**options)`: a new learner over new loaders, always the same one."""

    def learner(encoder="conv", **options):
        dls = image_dls(digits, unlabelled=0.5, seed=0, bs=64, device="cpu").pretrain
        return vae_learner(dls, encoder, seed=0, **{"precision": "float32", **options})

    return learner


def some_pred(n=3, channels=2, size=5, latent=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    rebuilt, image = torch.rand(2, n, channels, size, size, generator=generator, dtype=dtype)
    mean, log_variance = torch.randn(2, n, latent, generator=generator, dtype=dtype)
    return (rebuilt, mean, log_variance), image


# ── the loss ────────────────────────────────────────────────────────────────────────────────────


def test_reconstruction_is_the_log_density_of_every_pixel_under_a_gaussian_of_sigma_a_tenth():
    pred, image = some_pred()
    error = pred[0].numpy() - image.numpy()
    density = np.exp(-(error**2) / (2 * 0.01)) / math.sqrt(2 * math.pi * 0.01)
    assert float(reconstruction(pred, image)) == pytest.approx(-np.log(density).sum() / 3, rel=1e-12)


def test_kl_is_the_integral_over_the_latent_space():
    pred, image = some_pred()
    z, total = np.linspace(-40, 40, 400_001), 0.0
    for mean, log_variance in zip(pred[1].flatten().tolist(), pred[2].flatten().tolist(), strict=True):
        log_q = -((z - mean) ** 2) / (2 * math.exp(log_variance)) - 0.5 * (math.log(2 * math.pi) + log_variance)
        log_p = -(z**2) / 2 - 0.5 * math.log(2 * math.pi)
        total += np.trapezoid(np.exp(log_q) * (log_q - log_p), z)
    assert float(kl(pred, image)) == pytest.approx(total / 3, rel=1e-6)


def test_loss_is_reconstruction_plus_beta_times_kl_for_each_image_or_their_mean():
    pred, image = some_pred()
    expected = float(reconstruction(pred, image)) + 2.5 * float(kl(pred, image))
    assert float(ELBOLoss(2.5)(pred, image)) == pytest.approx(expected, rel=1e-12)
    each = ELBOLoss(2.5, reduction="none")(pred, image)
    assert each.shape == (3,)
    assert float(each.mean()) == pytest.approx(expected, rel=1e-12)
    one = ELBOLoss(2.5)(tuple(part[1:2] for part in pred), image[1:2])
    assert float(each[1]) == pytest.approx(float(one), rel=1e-12)


def test_the_loss_bounds_the_likelihood_of_a_linear_model_and_reaches_it_at_the_true_posterior():
    """Two pixels rebuilt as w z + c have a known evidence: a Gaussian with covariance w wᵀ + σ² 1."""
    w, c, image = np.array([0.3, -0.2]), np.array([0.4, 0.6]), np.array([0.55, 0.35])
    covariance = np.outer(w, w) + 0.01 * np.eye(2)
    evidence = -0.5 * (image - c) @ np.linalg.inv(covariance) @ (image - c) - 0.5 * np.log(
        np.linalg.det(2 * math.pi * covariance)
    )
    variance = 1 / (1 + w @ w / 0.01)
    mean = variance * w @ (image - c) / 0.01
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)

    def bound(mean, variance):
        z = torch.from_numpy(mean + math.sqrt(variance) * nodes)
        rebuilt = (z[:, None] * torch.from_numpy(w) + torch.from_numpy(c)).view(-1, 1, 1, 2)
        latents = (torch.full((20, 1), value, dtype=torch.float64) for value in (mean, math.log(variance)))
        target = torch.from_numpy(image).view(1, 1, 1, 2).expand(20, 1, 1, 2)
        losses = ELBOLoss(reduction="none")((rebuilt, *latents), target)
        return float(losses.numpy() @ weights / weights.sum())

    assert bound(mean, variance) == pytest.approx(-evidence, rel=1e-9)
    assert bound(mean + 0.1, variance) > -evidence
    assert bound(mean, 2 * variance) > -evidence


def test_gradients_of_the_loss_are_right():
    pred, image = some_pred()
    inputs = tuple(part.requires_grad_() for part in pred)
    assert torch.autograd.gradcheck(lambda *parts: ELBOLoss(1.7)(parts, image), inputs)


def test_gradients_reach_the_encoder_through_the_drawn_latents():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Tanh())
    decoder = nn.Sequential(FromLatent(3, (2, 2, 2)), create_decoder(body, (1, 4, 4)))
    model = VAE(body, ToLatent((2, 2, 2), 6), decoder)
    x, target = torch.randn(2, 1, 4, 4), torch.rand(2, 1, 4, 4)

    def loss():
        torch.manual_seed(5)
        return ELBOLoss()(model(x), target)

    loss().backward()
    weight = body[0].weight
    with torch.no_grad():
        for place in ((0, 0, 1, 1), (1, 0, 0, 2)):
            ends = []
            for step in (1e-3, -2e-3):
                weight[place] += step
                ends.append(float(loss()))
            weight[place] += 1e-3
            assert float(weight.grad[place]) == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=0.05, abs=0.2)


def test_a_decoder_for_other_images_is_an_error():
    pred, image = some_pred()
    with pytest.raises(ValueError, match=r"reconstruction is \[3, 2, 5, 5\], the image \[3, 1, 5, 5\]"):
        ELBOLoss()(pred, image[:, :1])


# ── the model ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["original", "conv"])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (1, 32), (3, 33), (3, 80)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images_of_any_size_are_rebuilt_in_pixels_from_0_to_1(name, channels, size, precision):
    encoder, latent = create_encoder(name, channels, size), 5
    decoder = nn.Sequential(FromLatent(latent, encoder.out_shape), create_decoder(encoder))
    model = VAE(encoder, ToLatent(encoder.out_shape, 2 * latent), decoder, precision)
    x = torch.randn(3, channels, size, size)
    rebuilt, mean, log_variance = (part.detach() for part in model(x))
    assert rebuilt.shape == x.shape
    assert mean.shape == log_variance.shape == (3, latent)
    assert rebuilt.dtype == mean.dtype == log_variance.dtype == torch.float32
    pictures = model.pictures(x)
    assert pictures["reconstructions"].shape == pictures["samples"].shape == x.shape
    assert pictures["traversals"].shape == (5, 7, channels, size, size)  # no more rows than there are latents
    for images in (rebuilt, *pictures.values()):
        assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_latents_are_drawn_in_training_and_their_mean_is_taken_in_eval_mode(make):
    model = make().model
    x = torch.randn(400, 1, 8, 8)
    model.eval()
    with torch.no_grad():
        rebuilt, mean, log_variance = model(x)
        assert torch.equal(rebuilt, model.decode(mean))
    drawn = []
    model.decode = lambda latents: drawn.append(latents) or rebuilt
    model.train()
    torch.manual_seed(0)
    with torch.no_grad():
        _, mean, log_variance = model(x)
    standard = ((drawn[0] - mean) / (log_variance / 2).exp()).double()
    assert float(standard.mean()) == pytest.approx(0, abs=0.03)
    assert float(standard.std()) == pytest.approx(1, abs=0.02)


def test_large_feature_maps_do_not_make_large_layers():
    encoder = create_encoder("conv", 3, 512)
    layers = ToLatent(encoder.out_shape, 128), FromLatent(64, encoder.out_shape)
    assert sum(p.numel() for layer in layers for p in layer.parameters()) < 2_000_000
    assert layers[1](torch.randn(1, 64)).shape == (1, *encoder.out_shape)


def test_pictures_are_the_same_every_time_and_leave_the_model_as_it_was(make):
    learn = make()
    learn.model.train()
    x, before, torch_state = learn.dls.valid.one_batch()[0][:6], state(learn.model), torch.get_rng_state()
    one = learn.model.pictures(x)
    torch.manual_seed(9)
    torch_state = torch.get_rng_state()
    other = learn.model.pictures(x)
    assert same(one, other)
    assert learn.model.training
    assert same(before, state(learn.model))
    assert torch.equal(torch_state, torch.get_rng_state())


def test_traversals_change_one_latent_of_the_first_image_in_the_order_of_kl(make):
    model = make(latent=10).model.eval()
    x = torch.randn(6, 1, 8, 8)
    with torch.no_grad():
        mean, log_variance = model.latents(x)
        each = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(0)
        for row, latent in enumerate(each.argsort(descending=True)[:8]):
            for column, value in enumerate((-3, -2, -1, 0, 1, 2, 3)):
                z = mean[:1].clone()
                z[0, latent] = value
                assert torch.allclose(model.pictures(x)["traversals"][row, column], model.decode(z)[0], atol=1e-5)


# ── training ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoder", ["original", "conv"])
def test_it_learns_to_rebuild_digits_better_than_their_mean_and_its_samples_differ(make, encoder):
    learn, rows = fitted(lambda: make(encoder), 12, 5e-3)
    assert list(rows[0]) == ["epoch", "train_loss", "valid_loss", "reconstruction", "kl", "rmse", "updates", "images"]
    for name in ("train_loss", "valid_loss", "reconstruction", "rmse"):
        assert rows[-1][name] < rows[0][name]
    images = learn.dls.valid.one_batch()[1].as_subclass(torch.Tensor)
    assert rows[-1]["rmse"] < 0.9 * float((images - images.mean(0)).square().mean().sqrt())
    assert rows[-1]["kl"] > 1
    samples = learn.model.pictures(images)["samples"]
    assert float((samples - samples.mean(0)).square().mean()) > 0.05 * float((images - images.mean(0)).square().mean())


def test_what_is_recorded_is_that_of_the_whole_validation_set(make):
    learn, rows = fitted(lambda: make(beta=3.0), 2)
    (rebuilt, mean, log_variance), images = learn.get_preds(ds_idx=1)
    mean, log_variance = mean.double().numpy(), log_variance.double().numpy()
    squares = (rebuilt.double() - images.as_subclass(torch.Tensor).double()).square().numpy()
    last = rows[-1]
    assert last["rmse"] == pytest.approx(squares.mean() ** 0.5, rel=1e-5)
    nats = 64 * (squares.mean() / 0.02 + 0.5 * math.log(2 * math.pi * 0.01))
    assert last["reconstruction"] == pytest.approx(nats, rel=1e-4)
    divergence = (0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)).sum(1).mean()
    assert last["kl"] == pytest.approx(divergence, rel=1e-4)
    assert last["valid_loss"] == pytest.approx(nats + 3 * divergence, rel=1e-4)


def test_a_posterior_that_collapses_is_seen(make):
    _, rows = fitted(lambda: make(beta=1e4), 10, 5e-3)
    assert rows[-1]["kl"] < 0.02


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_training_bit_for_bit(make, precision):
    (one, rows), (other, again) = (fitted(lambda: make(precision=precision), 2) for _ in range(2))
    assert same(state(one.model), state(other.model))
    assert rows == again
    assert same(state(make().encoder), state(random_encoder(one.dls, "conv", seed=0)))


def test_a_killed_fit_goes_on_as_if_never_killed(make, tmp_path, monkeypatch):
    assert goes_on_as_if_never_killed(make, tmp_path, monkeypatch)


def test_its_encoder_can_be_stored_and_classified_over(make, digits, tmp_path):
    learn, _ = fitted(make, 1)
    assert is_stored_and_classified_over(learn, "vae", digits, tmp_path)


def test_an_exported_learner_rebuilds_what_it_rebuilt_before(make, tmp_path):
    learn, _ = fitted(make, 1)
    learn.export(tmp_path / "learner.pkl")
    loaded = quiet(load_learner(tmp_path / "learner.pkl"))
    batch = learn.dls.valid.one_batch()
    for before, after in zip(learn.get_preds(dl=[batch])[0], loaded.get_preds(dl=[batch])[0], strict=True):
        assert torch.allclose(before, after)


def test_results_are_shown_beside_their_input(make):
    import matplotlib.pyplot as plt

    quiet(make()).show_results(max_n=4)
    assert [axes.get_title() for axes in plt.gcf().axes][:2] == ["input", "reconstruction"]


@pytest.mark.parametrize("own", [False, True])
def test_ordinary_fastai_loaders_and_modules_work_too(image_folder, own):
    dls = folder_loaders(image_folder(train=8, test=0, unlabelled=0))
    body = nn.Sequential(nn.Conv2d(3, 8, 4, stride=3), nn.BatchNorm2d(8), nn.ReLU()) if own else "original"
    _, rows = fitted(lambda: vae_learner(dls, body, latent=8, seed=0), 3, 5e-3)
    assert rows[-1]["valid_loss"] < rows[0]["valid_loss"]
    assert 0 < rows[-1]["rmse"] < 1


@pytest.mark.parametrize(("options", "message"), [({"beta": -1}, "beta: found -1"), ({"latent": 0}, "latent: found 0")])
def test_options_that_cannot_be_are_an_error_before_training(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
