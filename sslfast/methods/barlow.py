"""Barlow Twins: each dimension of two views' embeddings agrees with itself, and tells what no other dimension tells."""

from collections.abc import Mapping, Sequence

import torch
from fastai.learner import Learner
from fastai.metrics import AccumMetric
from torch import Tensor, nn

from ..data.views import Views
from .base import method
from .embeddings import check_pair, check_weight, precise
from .own_views import two_views_learner

__all__ = ["BarlowTwinsLoss", "barlow_learner", "cross_correlation"]


@method(own_views=True, compare_views=True)
def barlow_learner(
    dls,
    encoder: str | nn.Module = "original",
    projector: Sequence[int] = (512, 512),
    redundancy: float = 0.005,
    views: Views | Mapping | None = None,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder to see the same in two views, in many ways; `.encoder` is the encoder.

    `redundancy`: weight of the second part of `BarlowTwinsLoss`; both parts, unweighted and over the whole validation
    set, are metrics. `dls`, `encoder`, `projector`, `views`, `seed`, `precision`: as in `simclr_learner`. Correlations
    are over the images of a batch: not a few.

    Source: Zbontar et al. 2021, Barlow Twins: Self-Supervised Learning via Redundancy Reduction.
    """
    metrics = [AccumMetric(part, flatten=False) for part in (BarlowTwinsLoss.invariance, BarlowTwinsLoss.redundancy)]
    loss_func = BarlowTwinsLoss(redundancy)
    return two_views_learner(
        dls, encoder, projector, views, seed, precision, kwargs, loss_func=loss_func, metrics=metrics
    )


class BarlowTwinsLoss:
    """`invariance` + weight × `redundancy`, of embeddings `[N, D]` of two views of N images, in float32 or more.

    Both are of the `cross_correlation` of the two views over the batch, and sums over dimensions, as in the paper.
    `reduction`: `mean`, or `none` for a value an image, `[N]`: how far its own two embeddings are apart, raised so that
    the mean is the loss of the batch. Raises `ConfigError` for a weight that is no number from 0, `ValueError` for
    embeddings that are not two of one shape `[N, D]`.
    """

    def __init__(self, redundancy: float = 0.005, reduction: str = "mean"):
        check_weight("redundancy", redundancy)
        self.weight, self.reduction = redundancy, reduction

    def __call__(self, z0: Tensor, z1: Tensor) -> Tensor:
        check_pair(z0, z1)
        loss = self.invariance(z0, z1) + self.weight * self.redundancy(z0, z1)
        if self.reduction == "mean":
            return loss
        each = (_standardised(z0) - _standardised(z1)).square().mean(1)
        return loss + each - each.mean()

    @staticmethod
    def invariance(z0: Tensor, z1: Tensor) -> Tensor:
        """Sum over dimensions of (1 − correlation of the dimension in the two views)²."""
        return (1 - cross_correlation(z0, z1).diagonal()).square().sum()

    @staticmethod
    def redundancy(z0: Tensor, z1: Tensor) -> Tensor:
        """Sum over pairs of different dimensions, one in each view, of their squared correlation."""
        correlation = cross_correlation(z0, z1)
        return correlation.square().sum() - correlation.diagonal().square().sum()


def cross_correlation(z0: Tensor, z1: Tensor) -> Tensor:
    """Correlation over N images of each dimension of `z0` with each of `z1`, both `[N, D]`: `[D, D]`, from −1 to 1."""
    with torch.autocast(z0.device.type, enabled=False):
        return _standardised(z0).mT @ _standardised(z1) / len(z0)


def _standardised(z: Tensor) -> Tensor:
    """Each dimension with mean 0 and variance 1 over the batch, as by BatchNorm; one image alone is 0."""
    z = precise(z)
    variance, mean = torch.var_mean(z, 0, correction=0)
    return (z - mean) / (variance + 1e-5).sqrt()
