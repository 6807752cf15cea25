"""fastai DataLoaders that take whole batches out of an array, and `image_dls` to make them."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fastai.data.core import DataLoaders, TfmdDL
from fastai.torch_core import default_device, rank_distrib, to_device
from fastcore.basics import detuplify
from fastcore.foundation import L

from ..errors import ConfigError, shown
from ..files import user_path
from ..seeds import derive_seed
from ..study.datasets import dataset_names
from .augment import AUGMENTATIONS, Augment, Stream
from .datasets import check_options, load_dataset
from .images import ImageData
from .new_images import new_rows
from .rows import ImageRows
from .show import show_images
from .splits import Split, make_split

__all__ = [
    "BatchDL",
    "ImageLoaders",
    "ImageRows",
    "classify_dls",
    "image_dls",
    "plain_dls",
    "pretrain_dls",
    "test_dl",
    "undistributed",
]

EVAL_BATCH = 512  # images to validate on at once, at least
_ON_A_GPU = 2**23  # values of images at once there, as it waits after each batch: 2,730 images of 3 × 32 × 32


class BatchDL(TfmdDL):
    """A fastai DataLoader over `ImageRows`: one index operation a batch, no workers.

    Order and augmentation of epoch `epoch` depend only on (`seed`, `epoch`); each pass over a
    shuffled loader is the next epoch. With `n_batches`, an epoch is that many batches, drawn by going
    through the images again and again, each time in a new order and without what fills no batch.
    """

    def __init__(self, dataset, bs=128, shuffle=False, seed=None, n_batches=None, epoch=0, num_workers=0, **kwargs):
        self.seed = int(torch.randint(2**31, ())) if seed is None else seed
        self.n_batches, self.epoch = n_batches, epoch
        super().__init__(dataset, bs=bs, shuffle=shuffle, num_workers=0, **kwargs)

    def new(self, dataset=None, cls=None, **kwargs):
        same = dataset is None or len(dataset) == len(self.dataset)
        kwargs = {"seed": self.seed, "epoch": self.epoch, "n_batches": self.n_batches if same else None, **kwargs}
        if not kwargs.get("shuffle", self.shuffle):
            kwargs["n_batches"] = None
        return super().new(dataset, cls, **kwargs)

    def __len__(self) -> int:
        return self.n_batches or max(1, -(-self.n // self.bs) - self._leaves_one()) if self.n else 0

    def get_idxs(self) -> torch.Tensor:
        if not self.shuffle:
            return torch.arange(self.n)
        g = torch.Generator().manual_seed(derive_seed(self.seed, "batches", self.epoch))
        if self.n_batches is None:
            return torch.randperm(self.n, generator=g)[: self.n - self._leaves_one()]
        wanted, whole = self.n_batches * self.bs, max(self.n // self.bs, 1) * self.bs
        passes = [torch.randperm(self.n, generator=g)[:whole] for _ in range(-(-wanted // min(whole, self.n)))]
        return torch.cat(passes)[:wanted]  # whole batches of each order, so that none holds an image twice

    # What begins and ends a pass stands in before_iter and after_iter, which fastai's DistributedDL calls, too.
    def before_iter(self):
        super().before_iter()
        if self.shuffle:
            self._augment_as(self.epoch)

    def after_iter(self):
        super().after_iter()
        if self.shuffle:
            self.epoch += 1

    def __iter__(self):
        self.before_iter()
        yield from self._batches(torch.as_tensor(self.get_idxs()))
        self.after_iter()

    def batches(self, positions: torch.Tensor, epoch: int | None = None) -> Iterator[tuple]:
        """The images at `positions` in batches; training images are augmented as epoch `epoch` augments them."""
        super().before_iter()
        if epoch is not None:
            self._augment_as(epoch)
        yield from self._batches(positions)

    def _augment_as(self, epoch: int) -> None:
        among = [rank] if (rank := rank_distrib()) else []  # processes that train together draw each their own
        for tfm in self.after_batch.fs:
            if isinstance(getattr(tfm, "stream", None), Stream):
                tfm.stream.restart(self.seed, epoch, *among)

    def _batches(self, positions: torch.Tensor) -> Iterator[tuple]:
        source = self.dataset.on(self.device)
        here, there = source.device, self.device
        elsewhere = there is not None and (here.type != there.type or there.index not in (None, here.index))
        for part in positions.to(source.device).split(self.bs):
            batch = source.batch(part)
            if elsewhere:
                batch = to_device(batch, self.device)
            yield self.after_batch(batch)

    def one_batch(self):
        if not len(self):
            raise ValueError("this DataLoader has no images")
        return next(iter(self))

    def do_item(self, i):
        return i or 0

    def do_batch(self, positions):
        return self.create_batch(positions)

    def create_batch(self, positions):
        return self.dataset.batch(torch.as_tensor(positions))

    def show_batch(self, b=None, max_n=9, ctxs=None, show=True, unique=False, **kwargs):
        """Draw images of a batch as the model gets them, each with its class or beside its target.

        `unique`: one image, augmented anew each time. `kwargs`: `nrows`, `ncols`, `figsize`. Returns the axes; without
        `show`, what fastai's own loaders do.
        """
        if b is None:
            b = next(self.batches(torch.zeros(max_n, dtype=torch.int64), self.epoch)) if unique else self.one_batch()
        if not show:
            return self._pre_show_batch(b, max_n)
        batch = self.decode(b)
        return show_images(batch[0], batch[1:], vocab=self.dataset.vocab, max_n=max_n, axes=ctxs, **kwargs)

    def show_results(self, b, out, max_n=9, ctxs=None, show=True, **kwargs):
        """Draw images with true and predicted class, or beside their reconstruction (`kwargs`: as in `show_batch`)."""
        x, *y = self.decode(b)
        out = detuplify(out)
        others = (*y[:1], out) if self.dataset.labels else (out,)
        return show_images(
            x, others, vocab=self.dataset.vocab, beside="reconstruction", max_n=max_n, axes=ctxs, **kwargs
        )

    def _pre_show_batch(self, b, max_n=9):
        import fastai.vision.learner  # noqa: F401 - tells fastai's `plot_top_losses` how images are drawn

        from . import top_losses  # noqa: F401 - and reconstructions

        return super()._pre_show_batch(b, max_n)

    def _leaves_one(self) -> int:
        """1 if the last training batch would hold one image, which BatchNorm cannot normalise."""
        return int(bool(self.shuffle) and self.n > self.bs and self.n % self.bs == 1)


def undistributed(loader):
    """The loader that fastai's `DistributedDL` deals out to several processes; any other loader itself."""
    return getattr(loader, "dl", loader)


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
