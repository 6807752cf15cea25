"""SimCLR: two views of an image get similar embeddings, unlike the views of all other images of the batch."""

from collections.abc import Mapping, Sequence

import torch
from fastai.learner import Learner
from fastai.metrics import AccumMetric
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.views import Views
from ..errors import ConfigError
from .base import method
from .embeddings import precise
from .own_views import two_views_learner

__all__ = ["NTXent", "alignment", "simclr_learner", "uniformity"]

MOST_PAIRED = 2048


@method(own_views=True, compare_views=True)
def simclr_learner(
    dls,
    encoder: str | nn.Module = "original",
    projector: Sequence[int] = (256, 128),
    temperature: float = 0.5,
    views: Views | Mapping | None = None,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder to recognise an image in another view of it; `.encoder` is the encoder.

    `dls`: `image_dls(…).pretrain`, whose flips and noise are left out, or any fastai image DataLoaders, whose
    transforms stay; views are made from these images (`views`: see `Views`). `encoder`: a name, or a module to a
    feature map `[N, C, h, w]`; `projector`: widths of the layers after it, which serve training only. `seed` fixes
    the initial weights and all that fits draw. `temperature`: see `NTXent`.
    Loss: `NTXent`, whose level depends on the size of a batch. Metrics over the validation set: `alignment`,
    `uniformity`. `precision`: see `resolve_precision`.

    As fast as the autoencoder: 1.06 (0.90 to 1.16) times as many images per second (`conv`, 32 pixels, batches of
    256, one CPU thread, bfloat16; `benchmarks/methods.py`). On CIFAR-10, batches of 256 or more and a peak learning
    rate of 3e-3 in `fit_one_cycle` worked well.

    Source: Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations.
    """
    metrics = [AccumMetric(function, flatten=False) for function in (alignment, uniformity)]
    return two_views_learner(
        dls, encoder, projector, views, seed, precision, kwargs, loss_func=NTXent(temperature), metrics=metrics
    )


class NTXent:
    """Normalised, temperature-scaled cross-entropy between embeddings `[N, D]` of two views of N images.

    For each of the 2 N embeddings, a classification among the 2 N − 1 others: the right answer is the other embedding
    of the same image, and the scores are cosine similarities divided by `temperature`. Computed in float32 or higher
    precision. `reduction`: `mean`, or `none` for one value per image, `[N]`. Raises `ConfigError` for a temperature of
    0 or less.
    """

    def __init__(self, temperature: float = 0.5, reduction: str = "mean"):
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not temperature > 0:
            raise ConfigError(f"temperature: found {temperature!r}, expected a number above 0")
        self.temperature, self.reduction = temperature, reduction

    def __call__(self, z0: Tensor, z1: Tensor) -> Tensor:
        n = len(z0)
        z = torch.cat([_on_sphere(z0), _on_sphere(z1)])
        with torch.autocast(z.device.type, enabled=False):
            similarity = z @ z.mT / self.temperature
        similarity.fill_diagonal_(-torch.inf)  # no embedding is compared with itself
        other = torch.arange(2 * n, device=z.device).roll(n)
        loss = F.cross_entropy(similarity, other, reduction=self.reduction)
        return loss if self.reduction == "mean" else loss.view(2, n).mean(0)


def alignment(z0: Tensor, z1: Tensor) -> Tensor:
    """Mean squared distance between the two embeddings of an image on the unit sphere: from 0 (best) to 4.

    `z0`, `z1`: `[N, D]`. Source: Wang and Isola 2020, Understanding Contrastive Representation Learning.
    """
    return (_on_sphere(z0) - _on_sphere(z1)).square().sum(1).mean()


def uniformity(z0: Tensor, z1: Tensor) -> Tensor:
    """Logarithm of the mean of exp(−2 d²) over pairs of images; d: their distance on the unit sphere.

    Mean over the views `z0` and `z1`, `[N, D]`. Lower is more spread out: 0 if all embeddings are equal, about −4 if
    they are normally distributed in many dimensions. Of more than 2,048 images, at most as many are used, evenly
    spaced. Source: as for `alignment`.
    """
    return (_uniformity(z0) + _uniformity(z1)) / 2


def _uniformity(z: Tensor) -> Tensor:
    z = _on_sphere(z[:: -(-len(z) // MOST_PAIRED)])
    similarity = (z @ z.mT)[~torch.eye(len(z), dtype=torch.bool, device=z.device)]
    return (4 * similarity - 4).exp().mean().log()  # on the unit sphere d² is 2 − 2 z·z′


def _on_sphere(z: Tensor) -> Tensor:
    return F.normalize(precise(z), dim=1)
