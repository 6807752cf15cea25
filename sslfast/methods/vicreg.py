"""VICReg: embeddings of two views agree, while dimensions keep their variance and are uncorrelated."""

from collections.abc import Mapping, Sequence

import torch
from fastai.learner import Learner
from fastai.metrics import AccumMetric
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.views import Views
from .base import method
from .embeddings import check_pair, check_weight, precise
from .own_views import two_views_learner

__all__ = ["VICRegLoss", "vicreg_learner"]


@method(own_views=True, compare_views=True)
def vicreg_learner(
    dls,
    encoder: str | nn.Module = "original",
    projector: Sequence[int] = (512, 512),
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    views: Views | Mapping | None = None,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder to embed two views alike, without collapse; `.encoder` is the encoder.

    `invariance`, `variance`, `covariance`: weights of the three parts of `VICRegLoss`. Metrics: each part without its
    weight, over the whole validation set. `dls`, `encoder`, `projector`, `views`, `seed`, `precision`: as in
    `simclr_learner`. Images are not compared with each other, so batches may be small.

    A little slower than the autoencoder: 0.94 (0.86 to 0.98) times as many images per second (`conv`, 32 pixels,
    batches of 256, one CPU thread, bfloat16; `benchmarks/methods.py`).

    Source: Bardes, Ponce and LeCun 2022, VICReg: Variance-Invariance-Covariance Regularization.
    """
    parts = VICRegLoss.invariance, VICRegLoss.variance, VICRegLoss.covariance
    metrics = [AccumMetric(part, flatten=False) for part in parts]
    loss_func = VICRegLoss(invariance, variance, covariance)
    return two_views_learner(
        dls, encoder, projector, views, seed, precision, kwargs, loss_func=loss_func, metrics=metrics
    )


class VICRegLoss:
    """The weighted sum of `invariance`, `variance` and `covariance` of embeddings `[N, D]` of two views of N images.

    Computed in float32 or higher precision. As in the authors' code, which made the published results, `invariance` is
    a mean over dimensions too, and `variance` a mean over the two views. `reduction`: `mean`, or `none` for one value
    per image, `[N]`: its own invariance plus the variance and covariance of the batch, so that the mean of all values
    is the loss of the batch. Raises `ConfigError` for a weight that is not a number of 0 or more, `ValueError` unless
    both embeddings have the same shape `[N, D]`.
    """

    def __init__(
        self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0, reduction: str = "mean"
    ):
        self.reduction = reduction
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}
        for name, weight in self.weights.items():
            check_weight(name, weight)

    def __call__(self, z0: Tensor, z1: Tensor) -> Tensor:
        check_pair(z0, z1)
        loss = sum(weight * getattr(self, name)(z0, z1) for name, weight in self.weights.items())
        if self.reduction == "mean":
            return loss
        each = (precise(z0) - precise(z1)).square().mean(1)
        return loss + self.weights["invariance"] * (each - each.mean())

    @staticmethod
    def invariance(z0: Tensor, z1: Tensor) -> Tensor:
        """Mean squared difference of the two embeddings of an image."""
        return F.mse_loss(precise(z0), precise(z1))

    @staticmethod
    def variance(z0: Tensor, z1: Tensor) -> Tensor:
        """By how much the standard deviation of a dimension is below 1, mean over dimensions and views: 0 to 1."""
        return (_lacking(z0) + _lacking(z1)) / 2

    @staticmethod
    def covariance(z0: Tensor, z1: Tensor) -> Tensor:
        """Sum of the squared covariances of all pairs of dimensions, divided by D; the sum of both views."""
        return _shared(z0) + _shared(z1)


def _lacking(z: Tensor) -> Tensor:
    centred = _centred(z)
    return F.relu(1 - (centred.square().sum(0) / _freedom(z) + 1e-4).sqrt()).mean()


def _shared(z: Tensor) -> Tensor:
    centred = _centred(z)
    with torch.autocast(z.device.type, enabled=False):
        covariance = centred.mT @ centred / _freedom(z)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]


def _centred(z: Tensor) -> Tensor:
    return precise(z) - precise(z).mean(0)


def _freedom(z: Tensor) -> int:
    return max(1, len(z) - 1)  # a single image, as the last batch may be, has a variance of 0, not an undefined one
