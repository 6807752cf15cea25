"""Features of a frozen encoder, computed once per fit instead of in every epoch.

The output of a frozen encoder depends on the augmented view of an image (flips, noise), not on the epoch. Therefore the
features of a few views of each image are computed at the start of a fit, and every epoch draws one of them at random.
"""

import math
import os
import tempfile
from collections.abc import Callable
from warnings import warn

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import MixHandler
from fastai.torch_core import get_model
from torch import Tensor

from ..data.batches import BatchDL
from ..errors import ConfigError
from ..models import Features
from ..seeds import derive_seed
from ..study.limits import AUTO_VIEWS, IN_MEMORY
from .lean import hears

__all__ = ["CachedViews", "ReadyFeatures", "resolve_views"]

_AT_MOST = 2**32  # bytes: if the features take more, `auto` means `fresh`


def resolve_views(views: str | int, n_images: int, shape: tuple[int, int, int], precision: str) -> str | int:
    """What `views` means for `n_images` images with features of `shape` (C, h, w): `fresh`, or a number of views.

    `auto` is 8 views, or `fresh` if their features would take more than 4 GB. Raises `ConfigError` for anything but
    `auto`, `fresh` or a number from 1.
    """
    if views == "auto":
        return AUTO_VIEWS if AUTO_VIEWS * n_images * _bytes(shape, precision) <= _AT_MOST else "fresh"
    if views == "fresh" or (isinstance(views, int) and not isinstance(views, bool) and views >= 1):
        return views
    raise ConfigError(f"views: found {views!r}, expected auto, fresh or a number of views from 1")


class CachedViews(Callback):
    """Trains the head of a `Classifier` with a frozen encoder on cached features of a few views of each image.

    Needs the DataLoaders of `image_dls`. Validation images have one view. The features are dropped at the end of the
    fit. Images are used as usual for predictions, for fits of an unfrozen encoder, and for fits that see each image at
    most `views` times, where caching would save nothing. They are used, too, and a warning says so, in fits with a
    callback that changes the images of a batch (fastai's `MixUp`, `CutMix`) or may want to see them (your own, with
    `before_batch`); and in fits by several processes or GPUs.
    """

    order = 70  # after the callbacks that measure time, so that the time to compute features counts

    def __init__(self, views: int = AUTO_VIEWS):
        self.views = views

    def before_fit(self):
        self.train_features = self.valid_features = None

    def before_train(self):
        train = self.dls.train
        if not isinstance(train, BatchDL) or get_model(self.model) is not self.model:
            return  # several processes or GPUs: each sees a part of a batch, as its loader or wrapper deals it out
        if others := [cb.name for cb in self.learn.cbs if _changes_images(cb)]:
            text = f"views: {others[0]} is to see the images of every batch, so views are fresh (views='fresh' says so)"
            warn(text, stacklevel=2)
            return
        passes = self.n_epoch * (train.n_batches * train.bs / train.n if train.n_batches else 1)
        if self.model.frozen and passes > self.views:
            self.train_features = self.train_features or self._features(self.dls.train, self.views)
            self.learn.dl = self.train_features

    def before_validate(self):
        if self.train_features is not None and self.dl is self.dls.valid:
            self.valid_features = self.valid_features or self._features(self.dls.valid, 1)
            self.learn.dl = self.valid_features

    def before_batch(self):
        if isinstance(self.learn.dl, FeatureDL):  # fastai has removed the type of the batch before
            self.learn.xb = (self.learn.xb[0].as_subclass(Features),)

    def after_train(self):
        if self.train_features is not None:
            self.dls.train.epoch = self.train_features.epoch

    def after_fit(self):
        self.train_features = self.valid_features = None

    def _features(self, images: BatchDL, views: int) -> "FeatureDL":
        n, store, at = len(images.dataset), torch.empty(0), 0
        for view in range(views):
            # views use epochs below 0, so that they are other augmentations than those of any epoch
            for x, _ in images.batches(torch.arange(n), epoch=-1 - view):
                features = self.model.features(x.as_subclass(Tensor)).permute(0, 2, 3, 1)
                if at == 0:
                    store = _empty((views * n, *features.shape[1:]), features.dtype, features.device)
                store[at : at + len(features)] = features
                at += len(features)
        return FeatureDL(FeatureRows(store, images.dataset.labels_of_rows()), images)


class ReadyFeatures(CachedViews):
    """The same with features that are there already: of each image as it is, in training and in all predictions.

    `of`: gives those of an image set's rows, float32 `[N, D]` (see `sslfast.evaluation.StoredFeatures`).
    """

    def __init__(self, of: Callable[..., np.ndarray]):
        super().__init__(views=1)
        self.of = of

    def before_train(self):
        self.train_features = self.train_features or self._features(self.dls.train, 1)
        self.learn.dl = self.train_features

    def before_validate(self):
        if self.dl is self.dls.valid:
            self.valid_features = getattr(self, "valid_features", None) or self._features(self.dl, 1)
            self.learn.dl = self.valid_features
        else:
            self.learn.dl = self._features(self.dl, 1)

    def _features(self, images: BatchDL, views: int) -> "FeatureDL":
        rows = images.dataset
        found = torch.from_numpy(self.of(rows.images, rows.rows.numpy()))[:, None, None].to(images.device)
        return FeatureDL(FeatureRows(found, rows.labels_of_rows()), images)


def _changes_images(callback: Callback) -> bool:
    """Whether a user's `callback` might read or change the images of a batch; of fastai's own, those that mix them."""
    if isinstance(callback, CachedViews):
        return False
    of = type(callback).__module__.partition(".")[0]
    return isinstance(callback, MixHandler) or (of not in ("sslfast", "fastai") and hears(callback, "before_batch"))


class FeatureRows:
    """Features `[views · N, h, w, C]`, view by view, of N images with labels `y` `[N]`, as a fastai data set."""

    def __init__(self, features: Tensor, y: Tensor):
        self.features, self.y = features, y.to(features.device)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def views(self) -> int:
        return len(self.features) // len(self.y)

    @property
    def device(self) -> torch.device:
        return self.y.device

    def on(self, device: torch.device) -> "FeatureRows":
        """These rows: features stay on the device that computed them."""
        return self

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Feature maps `[B, C, h, w]` (stored channels-last) and labels of `rows`; view v begins at row v·N."""
        return self.features.index_select(0, rows).permute(0, 3, 1, 2), self.y[rows % len(self)]


class FeatureDL(BatchDL):
    """Replaces the loader `images` during a fit: the same images in the same order, in a random view per epoch."""

    def __init__(self, rows: FeatureRows, images: BatchDL):
        super().__init__(
            rows, bs=images.bs, shuffle=images.shuffle, seed=images.seed, n_batches=images.n_batches,
            epoch=images.epoch, device=images.device, indexed=True,
        )  # fmt: skip

    def get_idxs(self) -> Tensor:
        images = super().get_idxs()
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "views", self.epoch))
        return images + self.n * torch.randint(self.dataset.views, images.shape, generator=generator)


def _bytes(shape: tuple[int, ...], precision: str) -> int:
    return math.prod(shape) * (2 if precision == "bfloat16" else 4)


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised tensor.

    A large one on the CPU is backed by a file without a name, which disappears with the process. The system can write
    its pages to disk when memory is short, so that several jobs do not fill the memory.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or n_bytes <= IN_MEMORY:
        return torch.empty(shape, dtype=dtype, device=device)
    with tempfile.TemporaryFile(prefix="sslfast-") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk is an error here; later it would be a crash
        array = np.memmap(file, np.uint8, "w+", shape=(n_bytes,))
    return torch.from_numpy(array).view(dtype).view(shape)
