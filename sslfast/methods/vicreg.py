"""VICReg: embeddings of two views agree, while each dimension keeps its spread and tells what no other tells."""

from collections.abc import Mapping, Sequence

import torch
from fastai.learner import Learner
from fastai.metrics import AccumMetric
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.views import Views
from ..errors import ConfigError
from .base import method
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
    """A Learner that trains an encoder to see the same in two views, and much of it; `.encoder` is the encoder.

    `invariance`, `variance`, `covariance`: weights of the three parts of `VICRegLoss`, each of which, unweighted and
    over the whole validation set, is a metric. The rest is as in `simclr_learner`; no image is compared with another,
    so that batches may be small.

    Costs a little more than the autoencoder: 0.94 (0.86 to 0.98) times its images a second (`conv`, 32 pixels,
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
    """The weighted sum of three parts, of embeddings `[N, D]` of two views of N images, in float32 or more.

    As in the authors' code, whose results were published, means are over dimensions too, and the variance of the two
    views is halved. `reduction`: `mean`, or `none` for a value per image, `[N]`: its own invariance, with the variance
    and covariance of the batch, so that their mean is the loss of the batch. Raises `ConfigError` for weights that are
    not numbers from 0, `ValueError` for embeddings that are not two of one shape `[N, D]`.
    """

    def __init__(
        self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0, reduction: str = "mean"
    ):
        self.reduction = reduction
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}
        for name, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < torch.inf:
                raise ConfigError(f"{name}: found {weight!r}, expected a weight, 0 or more")

    def __call__(self, z0: Tensor, z1: Tensor) -> Tensor:
        if z0.ndim != 2 or z0.shape != z1.shape:
            raise ValueError(f"embeddings are {list(z0.shape)} and {list(z1.shape)}, expected two of one shape [N, D]")
        loss = sum(weight * getattr(self, name)(z0, z1) for name, weight in self.weights.items())
        if self.reduction == "mean":
            return loss
        each = (_precise(z0) - _precise(z1)).square().mean(1)
        return loss + self.weights["invariance"] * (each - each.mean())

    @staticmethod
    def invariance(z0: Tensor, z1: Tensor) -> Tensor:
        """Mean squared difference of the two embeddings of an image."""
        return F.mse_loss(_precise(z0), _precise(z1))

    @staticmethod
    def variance(z0: Tensor, z1: Tensor) -> Tensor:
        """How much the standard deviation of a dimension lacks to 1, mean over dimensions and views: 0 to 1."""
        return (_lacking(z0) + _lacking(z1)) / 2

    @staticmethod
    def covariance(z0: Tensor, z1: Tensor) -> Tensor:
        """Sum over pairs of dimensions of their squared covariance, over D, both views added."""
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
    return _precise(z) - _precise(z).mean(0)


def _freedom(z: Tensor) -> int:
    return max(1, len(z) - 1)  # one image alone, the rest of a validation set, has no variance, not an undefined one


def _precise(z: Tensor) -> Tensor:
    return z.as_subclass(Tensor).to(torch.promote_types(z.dtype, torch.float32))
