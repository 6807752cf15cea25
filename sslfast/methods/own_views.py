"""Shared by methods that make their own views of the images: callbacks, and the learner over two views."""

from collections.abc import Callable, Mapping, Sequence

import torch
from fastai.callback.core import Callback
from fastai.data.transforms import Normalize
from fastai.learner import Learner
from fastai.torch_core import TensorImage
from torch import Tensor, nn

from ..data.augment import Stream, TensorTarget
from ..data.batches import BatchDL, undistributed
from ..data.loaders import plain_dls
from ..data.show import show_images
from ..data.views import Views
from ..errors import ConfigError
from ..models import as_encoder, feature_shape, image_shape, initialised_with
from ..models.projectors import Embedder, create_projector
from ..training.callbacks import ReconstructInput
from ..training.lean import learner_of
from ..training.precision import resolve_precision
from .base import as_shown

__all__ = ["OwnViews", "TwoViews", "two_views_learner"]


def two_views_learner(
    dls,
    encoder: str | nn.Module,
    projector: Sequence[int],
    views: Views | Mapping | None,
    seed: int | None,
    precision: str,
    given: Mapping,
    *,
    loss_func,
    metrics,
    around: Callable[[Embedder], nn.Module] | None = None,
    cbs: Sequence[Callback] = (),
) -> Learner:
    """A Learner of an encoder and a projector; its loss gets the embeddings `[N, D]` of two views of each image.

    `views`: see `Views`; `given`: the keyword arguments that the caller passed on (see `learner_of`). `around`: makes a
    model of encoder and projector, where they are only a part of it; `cbs`: callbacks more.
    """
    shape = image_shape(dls)
    if (n := min(dls.train.bs or 1, len(dls.train_ds))) < 2:
        raise ConfigError(
            f"bs: found batches of {n}, expected 2 or more images, of which loss and BatchNorm look at all"
        )
    dls, encoder = plain_dls(dls), as_encoder(encoder, dls, seed)
    with initialised_with(seed, "projector"):
        head = create_projector(feature_shape(encoder, shape)[0], projector)
        embedder = Embedder(encoder, head, resolve_precision(precision, dls.device))
        model = around(embedder) if around else embedder
    cbs = [TwoViews(Views.of(views, shape[0])), *cbs]
    return learner_of(dls, model, given, loss_func=loss_func, metrics=metrics, cbs=cbs, shows=_show_views, seed=seed)


class OwnViews(ReconstructInput):
    """Base of callbacks that make the model's input from the clean images of a batch.

    `stream` gives the random numbers. In training they depend only on the seed and epoch of the loader if it is one of
    `image_dls`, else on torch's global generator. In validation they are the same every epoch, so that losses can be
    compared.
    """

    makes_input = True

    def __init__(self):
        self.stream = Stream(self.name)

    def before_fit(self):
        self.learn.dls = plain_dls(self.dls)  # a user may have set other loaders since the learner was made

    def before_train(self):
        dl = undistributed(self.dls.train)
        epoch = (dl.seed, dl.epoch) if isinstance(dl, BatchDL) else (int(torch.randint(2**62, ())),)
        self.stream.restart(*epoch)

    def before_validate(self):
        dl = undistributed(self.dls.valid)
        self.stream.restart(dl.seed if isinstance(dl, BatchDL) else 0)

    def clean_images(self) -> Tensor:
        """The images of the batch without augmentation, `[N, C, H, W]` in [0, 1]."""
        if not any(isinstance(y, TensorTarget) for y in self.yb):
            super().before_batch()
        return self.learn.yb[0].as_subclass(Tensor)

    def normalized(self, images: Tensor) -> Tensor:
        """Images `[…, C, H, W]` in [0, 1], normalised like the loader's and laid out channels-last."""
        flat = images.flatten(0, -4).contiguous(memory_format=torch.channels_last)
        for tfm in undistributed(self.dls.valid).after_batch.fs:
            if isinstance(tfm, Normalize):
                flat = tfm(TensorImage(flat)).as_subclass(Tensor)
        return flat.unflatten(0, images.shape[:-3])


class TwoViews(OwnViews):
    """Gives the model two views of each image, `[N, 2, C, H, W]`, and the loss their embeddings: `loss(z0, z1)`.

    `learn.two_views.show()` draws examples.
    """

    def __init__(self, views: Views):
        super().__init__()
        self.views = views

    def before_batch(self):
        self.learn.xb = (self.normalized(self.views(self.clean_images(), self.stream)),)

    def after_pred(self):
        z0, z1 = self.learn.pred.unbind(1)
        self.learn.pred, self.learn.yb = z0, (z1,)

    def show(self, max_n: int = 9, **kwargs):
        """Draw training images in two views each; returns the matplotlib axes."""
        return _show_views(self.learn, self.dls.train.one_batch(), max_n, **kwargs)


def _show_views(learn: Learner, batch: tuple, max_n: int = 9, **kwargs):
    """Draw images of `batch` in two views each."""
    views = learn.get_preds(dl=[batch], with_input=True)[0][:max_n]
    one, other = (as_shown(learn, view) for view in views.unbind(1))
    return show_images(one, (other,), beside="other view", max_n=max_n, **kwargs)
