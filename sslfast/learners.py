"""The learner factories that users import. Each returns a plain fastai `Learner`."""

from fastai.data.transforms import get_c
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.torch_core import params
from fastcore.meta import delegates
from torch import nn

from .data.loaders import BatchDL
from .errors import ConfigError, DataError
from .models import DROPOUT, Classifier, as_encoder, create_head, feature_shape, image_shape, initialised_with
from .training.cached_views import CachedViews, resolve_views
from .training.callbacks import FrozenEncoderGuard
from .training.lean import learner_of
from .training.metrics import CrossEntropy, MacroF1
from .training.precision import resolve_precision

__all__ = ["classifier_learner", "finetune_learner", "random_encoder", "supervised_learner"]


@delegates(Learner.__init__)
def classifier_learner(
    dls,
    encoder="original",
    head: nn.Module | None = None,
    dropout: float = DROPOUT,
    seed: int | None = None,
    train_bn: bool = False,
    precision: str = "auto",
    views: str | int = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains a head over a *frozen* encoder: `model[0]` the encoder, `model[1]` the head.

    `dls`: `image_dls(…).classify`, or any fastai image classification DataLoaders. `encoder`: a
    learner, a module, the path of a saved encoder, or a name (then its weights are random: the
    control). It is copied, and while frozen runs in eval mode without gradients; every fit ends
    with a proof that parameters and BatchNorm statistics are bit-identical. `unfreeze()` wakes it
    with a parameter group of its own, so `slice` learning rates work. `seed` fixes the initial
    weights. Metrics: accuracy and macro-F1 over the whole validation set.

    `precision`: see `resolve_precision`. `views`: how many augmented views of each image the frozen
    encoder sees, once, at the start of a fit (see `CachedViews`), or `fresh` for a new one every
    epoch (always so with DataLoaders that are not of `image_dls`). Callbacks that change
    the images of a batch, such as fastai's `MixUp`, need `fresh`.
    """
    learn = _classifier(dls, encoder, head, dropout, seed, precision, train_bn=train_bn, **kwargs)
    if isinstance(dls.train, BatchDL):
        shape = feature_shape(learn.model.encoder, image_shape(dls))
        views = resolve_views(views, len(dls.train_ds), shape, learn.model.precision)
        if views != "fresh":
            learn.add_cb(CachedViews(int(views)))
    elif views not in ("auto", "fresh"):
        raise ConfigError(f"views: found {views!r}, but these DataLoaders are not of image_dls; use fresh")
    learn.freeze()
    return learn


@delegates(Learner.__init__)
def supervised_learner(
    dls,
    encoder="original",
    head: nn.Module | None = None,
    dropout: float = DROPOUT,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """The baseline: the same encoder and head as `classifier_learner`, trained together from scratch."""
    return _classifier(dls, encoder, head, dropout, seed, precision, **kwargs)


@delegates(Learner.__init__)
def finetune_learner(
    dls,
    encoder,
    head: nn.Module | None = None,
    dropout: float = DROPOUT,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains a pre-trained encoder further, together with the head: `supervised_learner` from there.

    `encoder`: a learner, a module, or the path of a saved encoder; it is copied. Head, order of images and
    augmentation are those of `classifier_learner` and `supervised_learner` with the same `seed`, so their differences
    are due to the encoder. Both parts are trained at one rate by `fit(10, 1e-3)`; `fit(10, slice(1e-3))` gives the
    encoder a tenth of it, which on digits (autoencoder, 5 seeds, 3 to 50 % of labels) scored 0.2 to 1.5 points of
    macro-F1 lower on average; whether that is more than chance was not settled.
    """
    return _classifier(dls, encoder, head, dropout, seed, precision, **kwargs)


def random_encoder(dls, encoder: str = "original", seed: int | None = None) -> nn.Module:
    """The control: an encoder called `encoder`, for the images of `dls`, that learned nothing.

    With the same `seed`, its weights are those that `autoencoder_learner` starts from.
    """
    return as_encoder(encoder, dls, seed)


def _classifier(dls, encoder, head, dropout, seed, precision, **kwargs) -> Learner:
    shape, n_classes = image_shape(dls), get_c(dls)
    if n_classes < 2:
        raise DataError(f"dls: found {n_classes} classes, expected two or more (image_dls(…).classify has them)")
    encoder = as_encoder(encoder, dls, seed)
    if head is None:
        with initialised_with(seed, "head"):
            head = create_head(feature_shape(encoder, shape), n_classes, dropout)
    return learner_of(
        dls,
        Classifier(encoder, head, resolve_precision(precision, dls.device)),
        kwargs,
        loss_func=CrossEntropy(),
        metrics=[accuracy, MacroF1()],
        cbs=[FrozenEncoderGuard()],
        splitter=_encoder_and_head,
    )


def _encoder_and_head(model: Classifier) -> list:
    return [params(model.encoder), params(model.head)]
