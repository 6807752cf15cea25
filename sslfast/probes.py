"""What an encoder is worth, in one call of a notebook: a linear probe, or nearest neighbours, over any loaders."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from fastai.data.core import DataLoaders

from . import evaluation
from .data.loaders import ImageLoaders, class_count
from .errors import ConfigError
from .evaluation import Encoded, Scores, encode_cell
from .models import as_encoder, image_shape
from .models.heads import at_rest
from .training.metrics import scored

__all__ = ["Probe", "knn", "linear_probe"]


@dataclass(frozen=True)
class Probe:
    """What an encoder scored.

    `accuracy` and `macro_f1`, of `n_labelled` labels, on the images `on`: `test`, or `valid` where the loaders have no
    test images; then settings were chosen by the same images, and the score is a little too good. `notes`: what was
    chosen.
    """

    accuracy: float
    macro_f1: float
    n_labelled: int
    on: str
    notes: dict


def linear_probe(encoder, dls, **options) -> Probe:
    """Logistic regression over the frozen features of `encoder` (see `sslfast.evaluation.linear_probe`).

    `encoder`: a learner, a module, the path of a saved encoder, or a name (then it learned nothing). `dls`: what
    `image_dls` gave, or any fastai image classification DataLoaders; images are not augmented. `options`: `penalties`.
    Raises `ConfigError` for what cannot be, `DataError` for labels of one class.
    """
    return _probe(evaluation.linear_probe, encoder, dls, options)


def knn(encoder, dls, **options) -> Probe:
    """The votes of the nearest labelled images in the features of `encoder` (see `sslfast.evaluation.knn`).

    `encoder`, `dls`: as in `linear_probe`; `options`: `neighbours`, `k`, `temperature`.
    """
    return _probe(evaluation.knn, encoder, dls, options)


def _probe(evaluate: Callable[..., Scores], encoder, dls, options: dict) -> Probe:
    if isinstance(dls, ImageLoaders):
        module = as_encoder(encoder, dls.classify.train_ds.image_shape, 0)
        rows = dls.classify.train_ds.rows.numpy()
        encoded = encode_cell(module, dls.data, dls.split, rows, device=dls.test.device)
        true, on = dls.data.test.y.numpy(), "test"
    elif isinstance(dls, DataLoaders):
        encoded = _encoded(as_encoder(encoder, image_shape(dls), 0), dls)
        true, on = encoded.valid_y, "valid"
    else:
        raise ConfigError(f"dls: found {type(dls).__name__}, expected what image_dls gave, or fastai DataLoaders")
    scores = evaluate(encoded, **options)
    predicted = scores.test.argmax(1)
    return Probe(**scored(true, predicted), n_labelled=len(encoded.train), on=on, notes=scores.notes)


def _encoded(encoder, dls: DataLoaders) -> Encoded:
    n_classes = class_count(dls)
    (train, train_y), (valid, valid_y) = (_features(encoder, dls, part) for part in (dls.train, dls.valid))
    return Encoded(train, train_y, valid, valid_y, valid, n_classes)


def _features(encoder, dls: DataLoaders, part) -> tuple[np.ndarray, np.ndarray]:
    """Features `[N, C]` and classes `[N]` of the images of one loader, as its validation images are read."""
    items = None if part is dls.valid else getattr(part, "items", None)  # a list of tensors has none
    loader = part if items is None else dls.test_dl(items, with_labels=True)
    encoder = encoder.to(dls.device)
    features, classes = [], []
    with at_rest(encoder):
        for x, y in loader.new(shuffle=False, drop_last=False):
            found = encoder(x.as_subclass(torch.Tensor))
            features.append(found.mean((2, 3)) if found.ndim == 4 else found)
            classes.append(y.as_subclass(torch.Tensor))
    return torch.cat(features).float().cpu().numpy(), torch.cat(classes).cpu().numpy()
