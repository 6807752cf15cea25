"""Rotation: by how many quarter turns an image was turned, which takes knowing what is upright."""

from collections.abc import Mapping

import torch
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.torch_core import TensorCategory
from fastcore.foundation import L
from fastcore.meta import delegates
from torch import Tensor, nn

from ..data.views import Views
from ..lean import LeanLearner
from ..metrics import CrossEntropy
from ..models import Classifier, as_encoder, feature_shape, image_shape, initialised_with
from ..models.projectors import create_projector
from ..precision import resolve_precision
from .own_views import OwnViews

__all__ = ["quarter_turns", "rotation_learner"]

TURNS = 4


@delegates(Learner.__init__)
def rotation_learner(
    dls,
    encoder: str | nn.Module = "original",
    projector: tuple = (256,),
    views: Views | Mapping | None = None,
    every: bool = False,
    seed: int | None = None,
    loss_func=None,
    metrics=None,
    cbs=None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    encoder, shape = as_encoder(encoder, image_shape(dls), seed), image_shape(dls)
    with initialised_with(seed, "projector"):
        head = create_projector(feature_shape(encoder, shape)[0], (*projector, TURNS))
    return LeanLearner(
        dls,
        Classifier(encoder, head, resolve_precision(precision, dls.device)),
        loss_func=loss_func or CrossEntropy(),
        metrics=[accuracy] if metrics is None else metrics,
        cbs=L(cbs) + QuarterTurns(Views.of(views, crop=0.5, jitter=0, grey=0), every),
        **kwargs,
    )


class QuarterTurns(OwnViews):
    """Turns each image of a batch by a random number of quarter turns, which is its class."""

    def __init__(self, views: Views, every=False):
        super().__init__()
        self.views, self.every = views, every

    def before_batch(self):
        images = self.views(self.clean_images(), self.stream, 1)
        n, device = len(images), images.device
        if self.every:
            x = torch.cat([images[:, 0].rot90(k, (2, 3)) for k in range(4)])
            turns = torch.arange(4, device=device).repeat_interleave(n)
        else:
            turns = torch.randint(TURNS, (n,), generator=self.stream.on(device), device=device)
            x = quarter_turns(images[:, 0], turns)
        self.learn.xb, self.learn.yb = (self.normalized(x),), (TensorCategory(turns),)


def quarter_turns(x: Tensor, turns: Tensor) -> Tensor:
    """Images `[N, C, S, S]`, each turned by its number of quarter turns (`[N]`, from 0 to 3), anticlockwise; exact."""
    every = torch.stack([x.rot90(n, (2, 3)) for n in range(TURNS)])
    return every[turns, torch.arange(len(x), device=x.device)]
