"""BYOL: from one view of an image a network predicts what a slowly following copy of it makes of another view."""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from fastai.torch_core import get_model
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.views import Views
from ..errors import ConfigError
from ..models.projectors import Embedder
from .base import method
from .embeddings import precise
from .own_views import two_views_learner

__all__ = ["BYOL", "BYOLLoss", "FollowOnline", "byol_learner"]


@method(own_views=True, compare_views=True)
def byol_learner(
    dls,
    encoder: str | nn.Module = "original",
    projector: Sequence[int] = (256, 128),
    predictor: int = 256,
    momentum: float = 0.99,
    views: Views | Mapping | None = None,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder to predict one view of an image from another; `.encoder` is the encoder.

    `predictor`: width of the middle layer of the network that predicts. `momentum`: how much of the following copy an
    update leaves as it is, at the beginning; it rises to 1 along a cosine. `dls`, `encoder`, `projector`, `views`,
    `seed`, `precision`: as in `simclr_learner`. No image is compared with another, so that batches may be small. Loss:
    `BYOLLoss`. Why not all images become alike is only partly understood; where they do, a study's record says so.

    Source: Grill et al. 2020, Bootstrap your own latent.
    """
    if not isinstance(predictor, int) or isinstance(predictor, bool) or predictor < 1:
        raise ConfigError(f"predictor: found {predictor!r}, expected the width of a layer, from 1")
    following = FollowOnline(momentum)
    return two_views_learner(
        dls, encoder, projector, views, seed, precision, kwargs, loss_func=BYOLLoss(), metrics=[],
        around=lambda online: BYOL(online, projector[-1], predictor), cbs=[following],
    )  # fmt: skip


class BYOL(nn.Module):
    """Two views `[N, 2, C, H, W]` → of each a prediction and a target, `[N, 2, 2, D]`, float32.

    Or images `[N, C, H, W]` → their embeddings `[N, D]`. `online`, whose embeddings have `n` dimensions, learns;
    `target`, a copy, follows (`FollowOnline`). `width`: of the middle layer that predicts.
    """

    def __init__(self, online: Embedder, n: int, width: int):
        super().__init__()
        self.online, self.target = online, copy.deepcopy(online).requires_grad_(False)
        layers = [nn.Linear(n, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, n)]
        self.predictor = nn.Sequential(*layers)

    @property
    def encoder(self) -> nn.Module:
        return self.online.encoder

    def forward(self, x: Tensor) -> Tensor:
        embeddings = self.online(x)
        if x.ndim == 4:
            return embeddings
        with self.online.autocast(x.device):
            predicted = self.predictor(embeddings.flatten(0, 1)).float().view_as(embeddings)
        with torch.no_grad():
            target = self.target(x)
        return torch.stack([predicted, target], 2)


class BYOLLoss:
    """2 − 2 × cosine similarity of what is predicted of a view and its target: from 0 to 4, the mean of both ways.

    `one`, `other`: of the two views, prediction and target of N images, `[N, 2, D]`. In float32 or more. `reduction`:
    `mean`, or `none` for a value an image, `[N]`.
    """

    def __init__(self, reduction: str = "mean"):
        self.reduction = reduction

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        (predicted, target), (predicted_other, target_other) = (precise(z).unbind(1) for z in (one, other))
        both = F.cosine_similarity(predicted, target_other) + F.cosine_similarity(predicted_other, target)
        return (2 - both).mean() if self.reduction == "mean" else 2 - both


class FollowOnline(Callback):
    """After each update, `target` moves to `online` by 1 − momentum of the way; the momentum rises to 1 in the fit."""

    def __init__(self, momentum: float):
        if isinstance(momentum, bool) or not isinstance(momentum, int | float) or not 0 <= momentum <= 1:
            raise ConfigError(f"momentum: found {momentum!r}, expected a number from 0 to 1")
        self.momentum = momentum

    def after_step(self):
        model = get_model(self.learn.model)
        step = (1 - self.momentum) * (1 + math.cos(math.pi * self.learn.pct_train)) / 2
        fast, slow = list(model.online.parameters()), list(model.target.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(slow, fast, step)
