"""fastai DataLoaders that take whole batches out of an array, and `image_dls` to make them."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.transforms import get_c
from fastai.torch_core import default_device
from fastcore.foundation import L

from ..errors import ConfigError, DataError, shown
from ..files import user_path
from ..study.datasets import dataset_names
from .augment import AUGMENTATIONS, Augment
from .batches import BatchDL, undistributed
from .datasets import check_options, load_dataset
from .images import ImageData
from .new_images import new_rows
from .rows import ImageRows
from .splits import Split, make_split

__all__ = [
    "ImageLoaders",
    "ImageRows",
    "class_count",
    "classify_dls",
    "image_dls",
    "plain_dls",
    "pretrain_dls",
    "test_dl",
]

EVAL_BATCH = 512  # images to validate on at once, at least
_ON_A_GPU = 2**23  # values of images at once there, as it waits after each batch: 2,730 images of 3 × 32 × 32


class ImageDataLoaders(DataLoaders):
    """fastai DataLoaders over images in memory, with `test_dl` for new ones."""

    def test_dl(self, items, rm_type_tfms=None, num_workers=0, with_labels=False, **kwargs) -> BatchDL:
        """A loader over new images, decoded as those of the data set were, not augmented.

        `items`: paths, PIL images, arrays, tensors, items of a loader, a folder, or a DataFrame (see
        `sslfast.data.new_images`). `with_labels`: with their classes, from the names of their folders, or the second
        column of the DataFrame; of loaders to pre-train, with the images themselves as targets. `kwargs`: `bs` and
        others of `BatchDL`. Raises `DataError` for what is no image, or has none of the data set's classes.
        """
        like = self.valid.dataset
        return self.valid.new(
            new_rows(like.images, items, with_labels and like.labels), **{"n_batches": None, **kwargs}
        )

    @property
    def splits(self) -> L:
        """The rows of training and of validation images among all training images of the data set."""
        return L(L(loader.dataset.rows.tolist()) for loader in self.loaders)

    def summary(self) -> None:
        """Print what there is: images, classes, batches and what is done to them."""
        for name, loader in zip(("train", "valid"), self.loaders, strict=False):
            n, size = len(loader.dataset), " × ".join(map(str, loader.dataset.image_shape))
            print(f"{name}: {n:,} images [{size}], {len(loader):,} batches of {min(loader.bs, n) if n else loader.bs}")
        if self.train.dataset.labels:
            print(f"classes: {', '.join(self.vocab)}")
        for tfm in self.train.after_batch.fs:
            print(f"  {tfm.name.strip()}{' (training)' if isinstance(tfm, AUGMENTATIONS) else ''}")
        for part in self.train.one_batch():
            print(f"a batch: {type(part).__name__} {str(part.dtype).removeprefix('torch.')} {list(part.shape)}")


def plain_dls(dls):
    """`dls` without flips and noise, for methods that make views of their own; without such, or no loaders of ours, as
    they are."""
    loaders = [undistributed(loader) for loader in dls.loaders]
    if not all(isinstance(loader, BatchDL) for loader in loaders):
        return dls
    if not any(isinstance(tfm, AUGMENTATIONS) for loader in loaders for tfm in loader.after_batch.fs):
        return dls
    left = [[tfm for tfm in loader.after_batch.fs if not isinstance(tfm, AUGMENTATIONS)] for loader in loaders]
    plain = [loader.new(after_batch=tfms) for loader, tfms in zip(loaders, left, strict=True)]
    return type(dls)(*plain, path=dls.path, device=dls.device)


def class_count(dls) -> int:
    """How many classes the images of `dls` have, any fastai DataLoaders of (image, class).

    Raises `ConfigError` for other targets, `DataError` for fewer than two classes.
    """
    dataset = dls.train.dataset
    if not getattr(dataset, "labels", True):
        raise ConfigError("dls: found images without classes (image_dls(…).pretrain), expected image_dls(…).classify")
    if not isinstance(dls.train, BatchDL):
        targets, batched = dataset[0][1:], getattr(dls.train, "bs", 1) is None
        if len(targets) != 1 or not _is_class(targets[0], batched):
            found = ", ".join(type(y).__name__ for y in targets) or "nothing"
            raise ConfigError(f"dls: found {found} beside an image, expected one class (CategoryBlock)")
    if (n := get_c(dls)) < 2:
        hint = "image_dls(…).classify has them; of loaders of your own, say how many by dls.c"
        raise DataError(f"dls: found {n} classes, expected two or more ({hint})")
    return n


def _is_class(y, batched: bool) -> bool:
    """Whether `y` is the number of a class or, of a loader whose items are whole batches, such numbers."""
    if isinstance(y, torch.Tensor):
        return y.ndim == batched and not y.is_floating_point()
    return isinstance(y, int | np.integer)


@dataclass(frozen=True)
class ImageLoaders:
    """What one cell of a study trains on.

    `pretrain`: DataLoaders of (input, clean target) over the unlabelled images, None if there are
    none; `classify`: DataLoaders of (image, class) over the labelled images; `test`: a loader
    over the test images, for one use at the end. All validate on the same validation images.
    """

    pretrain: ImageDataLoaders | None
    classify: ImageDataLoaders
    test: BatchDL
    split: Split
    data: ImageData

    def __getattr__(self, name: str):
        raise AttributeError(
            f"ImageLoaders has no {name!r}; .pretrain and .classify are DataLoaders, .test is a loader"
        )

    def to(self, device) -> "ImageLoaders":
        """Move all loaders to `device`."""
        for loaders in (self.pretrain, self.classify, self.test):
            if loaders:
                loaders.to(device)
        return self


def image_dls(
    data: str | Path | ImageData,
    *,
    unlabelled: float = 1.0,
    labelled: float = 1.0,
    seed: int = 0,
    pool: str = "all",
    bs: int = 128,
    n_batches: int | None = None,
    valid_fraction: float = 0.1,
    augment: Augment | Mapping | None = None,
    device: str | torch.device | None = None,
    num_workers: int = 0,
    **options,
) -> ImageLoaders:
    """Loaders for pre-training on a fraction of unlabelled and classifying on a fraction of labelled images.

    `data`: the name of a data set (`digits`, `mnist`, `cifar10`, …), the path of a
    folder of images, or an `ImageData`; `options` go to `load_dataset` (`image_size`, `data_root`,
    `unlabelled_from`, …). `unlabelled` and `labelled` are fractions of the training images left after
    `valid_fraction` is set aside; `pool` says where unlabelled images come from (see `Split.pool`). `n_batches`:
    updates an epoch, whatever the number of images (by default one pass over them): few labels are else few updates.
    `seed` decides which images are which, and the order and augmentation of batches, epoch by epoch. `bs`: images a
    batch. `augment`: changes of `Augment`'s defaults, by name. `device`: where batches go, by default fastai's.
    `num_workers` is accepted and not needed: images are in memory.

    Example: `image_dls("digits", unlabelled=.5, labelled=.1, seed=0).pretrain.show_batch()`.
    Raises `ConfigError` for fractions outside [0, 1], `DataError` for missing or bad images.
    """
    if isinstance(bs, bool) or not isinstance(bs, int) or bs < 1:
        raise ConfigError(f"bs: found {shown(bs)}, expected a number of images a batch, 1 or more")
    check_options(options)
    if not isinstance(data, ImageData):
        known = str(data) in dataset_names() or not os.path.exists(user_path(data, "data"))
        data = load_dataset(str(data), **options) if known else load_dataset("folder", folder=data, **options)
    split = make_split(data, seed, valid_fraction)
    kwargs = {"bs": bs, "n_batches": n_batches, "augment": Augment.of(data.name, augment), "device": device}
    rows = split.unlabelled(unlabelled, pool, labelled)
    return ImageLoaders(
        pretrain=pretrain_dls(data, split, rows, **kwargs) if len(rows) else None,
        classify=classify_dls(data, split, split.labelled(labelled), **kwargs),
        test=test_dl(data, split, device=device),
        split=split,
        data=data,
    )


def pretrain_dls(data: ImageData, split: Split, rows: np.ndarray, **kwargs) -> ImageDataLoaders:
    """DataLoaders of (input, clean target) over the training images `rows`, labels hidden."""
    return _loaders(data, split, rows, labels=False, **kwargs)


def classify_dls(data: ImageData, split: Split, rows: np.ndarray, **kwargs) -> ImageDataLoaders:
    """DataLoaders of (image, class) over the labelled training images `rows`."""
    return _loaders(data, split, rows, labels=True, **kwargs)


def test_dl(data: ImageData, split: Split, device=None) -> BatchDL:
    """A loader of (image, class) over the test images, never augmented."""
    dataset, device = ImageRows(data.test, np.arange(len(data.test)), split_idx=1), _device(device)
    tfms = Augment().transforms(split.mean, split.std, data.test.image_size, reconstruct=False)
    return BatchDL(dataset, bs=eval_batch(dataset, device), after_batch=tfms, device=device)


test_dl.__test__ = False  # type: ignore[attr-defined] # for pytest: its name is fastai's; it is no test


def _loaders(data, split, rows, *, labels, bs, augment, device=None, n_batches=None) -> ImageDataLoaders:
    train = ImageRows(data.train, rows, split_idx=0, labels=labels)
    valid = ImageRows(data.train, split.valid, split_idx=1, labels=labels)
    device = _device(device)
    if n_batches is not None:
        bs = min(bs, len(rows))  # a batch of more would hold images twice

    def tfms():  # a pipeline each: fastai stores the split on it
        return augment.transforms(split.mean, split.std, data.train.image_size, reconstruct=not labels)

    return ImageDataLoaders(
        BatchDL(train, bs=bs, shuffle=True, seed=split.seed, n_batches=n_batches, after_batch=tfms(), device=device),
        BatchDL(valid, bs=max(bs, eval_batch(valid, device)), seed=split.seed, after_batch=tfms(), device=device),
        device=device,
    )


def eval_batch(dataset: ImageRows, device: torch.device) -> int:
    """How many of these images to look at at once where nothing is learned from them."""
    return EVAL_BATCH if device.type == "cpu" else max(EVAL_BATCH, _ON_A_GPU // math.prod(dataset.image_shape))


def _device(device):
    return default_device() if device is None else torch.device(device)
