"""The learner factories that users import. Each returns a plain fastai `Learner`."""

from collections.abc import Callable

import torch
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.torch_core import params
from fastcore.meta import delegates
from torch import nn

from .data.batches import BatchDL
from .data.loaders import class_count
from .errors import ConfigError
from .models import Classifier, as_encoder, create_head, dropout_of, feature_shape, image_shape, initialised_with
from .models.build import net_of
from .models.heads import at_rest
from .training.cached_views import CachedViews, resolve_views
from .training.callbacks import FrozenEncoderGuard
from .training.lean import LeanLearner, learner_of
from .training.losses import CrossEntropy
from .training.metrics import MacroF1
from .training.precision import resolve_precision

__all__ = ["classifier_learner", "encoder_and_head", "finetune_learner", "random_encoder", "supervised_learner"]


def encoder_and_head(model: Classifier) -> list:
    """Their parameters, in a group each, so that `freeze` and `slice` rates tell them apart."""
    return [params(model.encoder), params(model.head)]


@delegates(LeanLearner.__init__)
def classifier_learner(
    dls,
    encoder="original",
    head: nn.Module | None = None,
    dropout: float | str = "auto",
    seed: int | None = None,
    train_bn: bool = False,
    precision: str = "auto",
    views: str | int = "auto",
    pretrained: bool | None = None,
    splitter: Callable = encoder_and_head,
    **kwargs,
) -> Learner:
    """A Learner that trains a head over a *frozen* encoder: `model[0]` the encoder, `model[1]` the head.

    `dls`: `image_dls(…).classify`, or any fastai image classification DataLoaders. `encoder`: a learner, a module, the
    path of a saved encoder, or the name of an encoder, whose weights are then random (the control). With `pretrained`,
    a net of others: a function of torchvision (`resnet18`) or a name (`timm.<model>`, `torchvision.<model>`), with its
    library's weights (True; see `base_encoder`) or random ones (False). The encoder is copied. While frozen, it runs in
    eval mode without gradients, and after every fit its parameters and BatchNorm statistics are proved to be
    bit-identical. `unfreeze()` makes it trainable; it is a parameter group of its own, so `slice` learning rates work.

    `head`: a module from the feature map to class scores; by default that of `create_head`, with `dropout`: a rate, or
    `auto`, by the number of labelled images (see `dropout_of`). `seed` fixes the initial weights and all that fits draw
    (see `SeededFits`). `precision`: see `resolve_precision`. `train_bn`: whether BatchNorm of frozen layers trains, as
    in fastai's `Learner`; the encoder's does not. `splitter`: gives the groups of parameters. Metrics: accuracy and
    macro-F1 over the whole validation set. `kwargs`: further arguments of fastai's `Learner`; `cbs` are added to those
    that are there, and `path` is where `save` writes (`models/` of the current folder by default).

    `views`: the number of augmented views of each image, whose features are computed once per fit (see `CachedViews`);
    or `fresh`, for a new view in every epoch. Only DataLoaders of `image_dls` can have a number of views. Callbacks
    that change the images of a batch, such as fastai's `MixUp`, make them `fresh`. Raises `ConfigError` for other
    `views`, `DataError` for fewer than two classes.
    """
    encoder = net_of(encoder, dls, pretrained, seed)
    learn = _classifier(dls, encoder, head, dropout, seed, precision, splitter=splitter, train_bn=train_bn, **kwargs)
    if isinstance(dls.train, BatchDL):
        shape = feature_shape(learn.model.encoder, image_shape(dls))
        views = resolve_views(views, len(dls.train_ds), shape, learn.model.precision)
        if views != "fresh":
            learn.add_cb(CachedViews(int(views)))
    elif views not in ("auto", "fresh"):
        raise ConfigError(f"views: found {views!r}, but these DataLoaders are not of image_dls; use fresh")
    learn.freeze()
    learn.model.train(learn.model.training)  # the frozen encoder is at rest, also without fastai's TrainEvalCallback
    return learn


@delegates(LeanLearner.__init__)
def supervised_learner(
    dls,
    encoder="original",
    head: nn.Module | None = None,
    dropout: float | str = "auto",
    seed: int | None = None,
    precision: str = "auto",
    pretrained: bool | None = None,
    splitter: Callable = encoder_and_head,
    **kwargs,
) -> Learner:
    """The baseline: the same encoder and head as `classifier_learner`, trained together from scratch.

    `dls`, `encoder` (mostly a name), `head`, `dropout`, `seed`, `precision`, `pretrained` (False with a function of
    torchvision), `splitter`, `kwargs`: as there.
    """
    encoder = net_of(encoder, dls, pretrained, seed)
    return _classifier(dls, encoder, head, dropout, seed, precision, splitter=splitter, **kwargs)


@delegates(LeanLearner.__init__)
def finetune_learner(
    dls,
    encoder,
    head: nn.Module | None = None,
    dropout: float | str = "auto",
    seed: int | None = None,
    precision: str = "auto",
    pretrained: bool | None = None,
    splitter: Callable = encoder_and_head,
    **kwargs,
) -> Learner:
    """A Learner that trains a pre-trained encoder further, together with a new head.

    `encoder`: a learner, a module, or the path of a saved encoder; it is copied; or, with `pretrained=True`, a net of
    others. These and `dls`, `head`, `dropout`, `precision`, `splitter`, `kwargs`: as in `classifier_learner`.

    With the same `seed`, head, order of images and augmentation are those of `classifier_learner` and
    `supervised_learner`, so differences in score are due to the encoder. `fit(10, 1e-3)` trains both parts at one rate;
    `fit(10, slice(1e-3))` gives the encoder a tenth of it. On digits (autoencoder, 5 seeds, 3 to 50 % of labels) a
    tenth scored 0.2 to 1.5 points of macro-F1 lower on average, which may be chance.
    """
    encoder = net_of(encoder, dls, pretrained, seed)
    return _classifier(dls, encoder, head, dropout, seed, precision, splitter=splitter, **kwargs)


def random_encoder(dls, encoder: str = "original", seed: int | None = None) -> nn.Module:
    """The control: the encoder named `encoder`, with random weights, for images like those of `dls`.

    With the same `seed`, `autoencoder_learner` starts from these weights.
    """
    return as_encoder(encoder, dls, seed)


def _classifier(dls, encoder, head, dropout, seed, precision, **kwargs) -> Learner:
    shape, n_classes = image_shape(dls), class_count(dls)
    encoder = as_encoder(encoder, dls, seed)
    features = feature_shape(encoder, shape)
    if head is None:
        with initialised_with(seed, "head"):
            head = create_head(features, n_classes, dropout_of(dropout, len(dls.train_ds)))
    else:
        _check_head(head, features, n_classes)
    return learner_of(
        dls,
        Classifier(encoder, head, resolve_precision(precision, dls.device)),
        kwargs,
        loss_func=CrossEntropy(),
        metrics=[accuracy, MacroF1()],
        cbs=[FrozenEncoderGuard()],
        seed=seed,
    )


def _check_head(head: nn.Module, features: tuple[int, int, int], n_classes: int) -> None:
    parameter = next(head.parameters(), torch.empty(0))
    try:
        with at_rest(head):
            scores = head(torch.zeros(2, *features, device=parameter.device, dtype=parameter.dtype))
    except RuntimeError as error:  # of torch: layers that do not fit
        reason = str(error).splitlines()[0]
        raise ConfigError(f"head: cannot take features of {list(features)} (C, h, w): {reason}") from None
    if tuple(scores.shape) != (2, n_classes):
        raise ConfigError(
            f"head: gives {list(scores.shape)} for two images, expected class scores [2, {n_classes}]:"
            f" these images have {n_classes} classes"
        )
