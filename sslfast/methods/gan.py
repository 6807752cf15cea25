"""Generative adversarial network: the encoder is part of a discriminator of real images from generated ones."""

from collections.abc import Callable
from functools import partial

import torch
from fastai.callback.core import Callback
from fastai.learner import Learner, Metric
from fastai.metrics import AvgMetric
from fastai.torch_core import get_model, params
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ..data.corrupt import normalisation
from ..data.show import show_images
from ..errors import ConfigError
from ..models import as_encoder, feature_shape, image_shape, initialised_with
from ..models.decoders import growing_decoder
from ..models.heads import _TwoParts, at_rest
from ..models.latents import FromLatent, ToLatent, fixed_latents
from ..training.lean import learner_of
from ..training.optimizer import fused_adam
from ..training.precision import resolve_precision
from .base import as_shown, method, with_target

__all__ = ["GAN", "AdversarialLoss", "Diversity", "fake_accuracy", "gan_learner", "generator_loss", "real_accuracy"]

SMALLEST = 4  # pixels: the shorter side of a generator's first feature maps
ADAM = partial(fused_adam, mom=0.5, eps=1e-8)


def discriminator_and_generator(model: "GAN") -> list:
    """Their parameters, in a group each."""
    return [params(model.discriminator), params(model.generator)]


@method()
def gan_learner(
    dls,
    encoder: str | nn.Module = "original",
    latent: int = 64,
    r1: float = 1.0,
    seed: int | None = None,
    precision: str = "auto",
    splitter: Callable = discriminator_and_generator,
    opt_func: Callable = ADAM,
    moms: tuple[float, float, float] = (0.5, 0.5, 0.5),
    **kwargs,
) -> Learner:
    """A Learner that trains a generator and a discriminator together; `.encoder` is the discriminator's encoder.

    `dls`: `image_dls(…).pretrain`, or any fastai image DataLoaders. `encoder`: a name, or a module from images to a
    feature map `[N, C, h, w]`. `latent`: the number of latents from which an image is generated. `r1`: the weight of
    the gradient penalty (see `AdversarialLoss`). `seed` fixes the initial weights and all that fits draw. `precision`:
    see `resolve_precision`. Raises `ConfigError` for an `r1` below 0 or a `latent` below 1.

    Every batch updates both networks, by Adam with a momentum of 0.5 (`opt_func`), also in `fit_one_cycle` (`moms`).
    The two networks are two parameter groups (`splitter`), discriminator first, so a `slice` gives each its own
    learning rate. `train_loss` and `valid_loss` are the discriminator's loss; `valid_loss` is over the validation
    images and as many generated ones, always from the same latents. Metrics: `real_accuracy` and `fake_accuracy` (the
    shares of real and of generated images that the discriminator classifies correctly), `generator_loss`, and
    `diversity` of the generated images. Images have no noise in validation, unlike in training, so the discriminator
    may do worse there.

    0.25 times as many images per second as the autoencoder; the penalty takes half of the time. Measured in turns with
    `conv`, 32 × 32 colour images, batch 128, one CPU thread, float32 and bfloat16.

    Sources: Goodfellow et al. 2014; Radford et al. 2016, DCGAN (the generator, and the discriminator's features);
    Sønderby et al. 2017, the same noise on real and generated images.
    """
    if not r1 >= 0:
        raise ConfigError(f"r1: found {r1!r}, expected 0 or more")
    if latent < 1:
        raise ConfigError(f"latent: found {latent!r}, expected a number of latents from 1")
    shape, precision = image_shape(dls), resolve_precision(precision, dls.device)
    encoder = as_encoder(encoder, dls, seed)
    with initialised_with(seed, "discriminator"):
        head = nn.Sequential(nn.LeakyReLU(0.2), ToLatent(feature_shape(encoder, shape), 1))
    with initialised_with(seed, "generator"):
        generator = create_generator(latent, shape)
    model = GAN(Discriminator(encoder, head, precision), generator, latent, *normalisation(dls))
    return learner_of(
        dls,
        model,
        kwargs,
        loss_func=AdversarialLoss(r1),
        metrics=[*map(AvgMetric, _SCORES), Diversity()],
        cbs=[*with_target(dls), GiveTarget()],
        shows=_show_samples,
        seed=seed,
        splitter=splitter,
        opt_func=opt_func,
        moms=moms,
    )


def create_generator(latent: int, image_shape: tuple[int, int, int]) -> nn.Sequential:
    """A network from latents `[N, latent]` to images in [0, 1] of `image_shape` (C, H, W).

    Feature maps of 4 pixels (the shorter side) are doubled in size until they are as large as the images. The last
    doubling starts from 32 channels, and each earlier one from twice as many as the next, 512 at most.
    """
    (_, *sides), channels = image_shape, 16
    size = shorter = min(sides)
    while size > 1.5 * SMALLEST:
        size, channels = -(-size // 2), min(2 * channels, 512)
    start = channels, round(SMALLEST * sides[0] / shorter), round(SMALLEST * sides[1] / shorter)
    return nn.Sequential(FromLatent(latent, start), growing_decoder(start, image_shape))


class Discriminator(_TwoParts):
    """Encoder and head: image `[N, C, H, W]` (normalised) → score `[N]`, float32, above 0 if the image seems real."""

    def forward(self, x: Tensor) -> Tensor:
        with self.autocast(x.device):
            return super().forward(x).squeeze(1)


class GAN(nn.Module):
    """Images `[N, C, H, W]` (normalised) → `[N, 4]`, float32: the input of `AdversarialLoss`.

    Column 0: the score of each image. Column 1: the score of as many generated images, with a gradient for the
    discriminator only. Column 2: the same scores, with a gradient for the generator only. Column 3: the squared norm of
    the gradient of column 0 with respect to the image. In eval mode the generated images are `samples`, and column 3
    is 0.

    `mean` and `std`, `[1, C, 1, 1]`, normalise pixels in [0, 1]. If `forward` gets the clean images in [0, 1] as
    `target`, training adds the noise of the real images to the generated ones: otherwise the discriminator could tell
    them apart by the noise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, discriminator: Discriminator, generator: nn.Module, latent: int, mean: Tensor, std: Tensor):
        super().__init__()
        self.discriminator, self.generator, self.latent = discriminator, generator, latent
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @property
    def encoder(self) -> nn.Module:
        return self.discriminator.encoder

    def forward(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        x = x.as_subclass(Tensor)
        if not (self.training and torch.is_grad_enabled()):
            real, fake = self.discriminator(x), self.discriminator(self._normalised(self.samples(len(x))))
            return torch.stack([real, fake, fake, torch.zeros_like(fake)], 1)
        made = self._normalised(self.generate(torch.randn(len(x), self.latent, device=x.device)))
        if target is not None:
            made = made + (x - self._normalised(target.as_subclass(Tensor)))
        real, slope = self._score_and_slope(x)
        weights: dict[str, Tensor] = dict(self.discriminator.named_parameters())
        fake = self._score(made.detach(), weights)
        fooled = self._score(made, {name: weight.detach() for name, weight in weights.items()})
        return torch.stack([real, fake, fooled, slope], 1)

    def _score_and_slope(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        score = self.discriminator(x)
        (slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)
        return score, slope.square().flatten(1).sum(1)

    def _score(self, made: Tensor, weights: dict[str, Tensor]) -> Tensor:
        # Generated images are a batch of their own: in one batch with real images, BatchNorm lets the discriminator win
        # at once. BatchNorm's running statistics are those of real images, as the encoder will be used on real images.
        statistics = {name: value.clone() for name, value in self.discriminator.named_buffers()}
        return functional_call(self.discriminator, weights | statistics, made)

    def _normalised(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std

    def generate(self, latents: Tensor) -> Tensor:
        """Images in [0, 1], `[N, C, H, W]`, from `latents` `[N, latent]`."""
        with self.discriminator.autocast(latents.device):
            return self.generator(latents).float()

    def samples(self, n: int) -> Tensor:
        """`n` generated images in [0, 1], always from the same latents, in eval mode."""
        with at_rest(self):
            return self.generate(fixed_latents(n, self.latent, self.mean.device))

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """`samples`: as many generated images as `x` has images, `[K, C, H, W]` in [0, 1]."""
        return {"samples": self.samples(len(x))}


class AdversarialLoss:
    """The discriminator's loss, with the gradients of both networks; `pred` `[N, 4]` is the output of a `GAN`.

    Value: softplus(−score of a real image) + softplus(score of a generated image); 1.39 if all scores are 0. Two more
    terms have gradients but do not count in the value: the discriminator's gradient penalty, `r1` / 2 × |gradient of a
    real image's score with respect to the image|², and the generator's loss, softplus(−score of a generated image).
    `reduction`: `mean` over images, or `none`, `[N]`.

    The gradient penalty makes training stable for encoders with and without BatchNorm. Spectral normalisation would do
    so too, but would change the encoder's weights.

    Sources: Goodfellow et al. 2014, the non-saturating loss; Mescheder et al. 2018, R1.
    """

    def __init__(self, r1: float = 1.0, reduction: str = "mean"):
        self.r1, self.reduction = r1, reduction

    def __call__(self, pred: Tensor, target: Tensor) -> Tensor:
        real, fake, fooled, squared_slope = pred.unbind(1)
        silent = self.r1 / 2 * squared_slope + F.softplus(-fooled)
        loss = F.softplus(-real) + F.softplus(fake) + (silent - silent.detach())
        return loss if self.reduction == "none" else loss.mean()


def real_accuracy(pred: Tensor, target: Tensor) -> Tensor:
    """Share of the real images that the discriminator takes for real ones."""
    return (pred[:, 0] > 0).float().mean()


def fake_accuracy(pred: Tensor, target: Tensor) -> Tensor:
    """Share of the generated images that the discriminator takes for generated ones."""
    return (pred[:, 1] <= 0).float().mean()


def generator_loss(pred: Tensor, target: Tensor) -> Tensor:
    """softplus(−score of a generated image), mean over images."""
    return F.softplus(-pred[:, 2]).mean()


_SCORES = (real_accuracy, fake_accuracy, generator_loss)


class Diversity(Metric):
    """How much generated images differ from each other, relative to real ones: 1 as much, 0 not at all (collapse).

    The square root of the ratio of the mean squared distances between two images of a batch.
    """

    def reset(self):
        self.made, self.real = 0.0, 0.0

    def accumulate(self, learn):
        images = learn.yb[0].as_subclass(Tensor)
        self.made += _spread(get_model(learn.model).samples(len(images)))
        self.real += _spread(images)

    @property
    def value(self):
        return (self.made / self.real) ** 0.5 if self.real else None

    @property
    def name(self):
        return "diversity"


def _spread(images: Tensor) -> float:
    return float((images - images.mean(0)).square().sum())


class GiveTarget(Callback):
    order = -3  # after ReconstructInput
    makes_input = True

    def before_batch(self):
        self.learn.xb = (self.xb[0], *self.yb[:1])  # none for `summary`


def _show_samples(learn: Learner, batch: tuple, max_n: int = 9, titles=None, **kwargs):
    """Draw generated images; where `titles` speak of real ones, those."""
    if titles:
        return show_images(as_shown(learn, batch[0]), titles=titles, max_n=max_n, **kwargs)
    return show_images(learn.model.samples(min(max_n, len(batch[0]))), max_n=max_n, **kwargs)
