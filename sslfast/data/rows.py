"""Some rows of an image set as a fastai data set: items, splits, batches."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from fastai.data.transforms import CategoryMap
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import TensorCategory, TensorImage
from fastcore.foundation import L

from ..errors import DataError
from .images import ImageSet
from .show import show_images

__all__ = ["ImageRows", "Item"]


@dataclass(frozen=True, eq=False)
class Item:
    """One image of an `ImageSet`, which `test_dl` and `predict` take as they take a file."""

    images: ImageSet
    row: int

    @property
    def label(self) -> str | None:
        """The name of its class, None where that is not known."""
        label = int(self.images.y[self.row])
        return self.images.classes[label] if label >= 0 else None

    def show(self, ctx=None, **kwargs):
        """Draw it under the name of its class; returns the matplotlib axes."""
        row = slice(self.row, self.row + 1)
        labels = (self.images.y[row],) if self.label is not None else ()
        axes = None if ctx is None else [ctx]
        return show_images(self.images.x[row], labels, vocab=self.images.classes, axes=axes, **kwargs)[0]

    def __repr__(self) -> str:
        return f"image {self.row}" + (f" ({self.label})" if self.label is not None else "")


class ImageRows:
    """Some rows of an `ImageSet`, as a fastai data set: `split_idx` 0 for training, 1 otherwise.

    With `labels=False` items are images only, for pre-training.
    """

    def __init__(self, images: ImageSet, rows: np.ndarray, *, split_idx: int, labels: bool = True):
        self.images, self.split_idx, self.labels = images, split_idx, labels
        self.rows = torch.from_numpy(np.array(rows, dtype=np.int64))
        self.vocab, self.c = CategoryMap(list(images.classes), sort=False), len(images.classes)
        self.n_inp = 1
        if labels:
            self.loss_func = CrossEntropyLossFlat()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.images.x.shape
        return channels, height, width

    @property
    def items(self) -> L:
        """Its images, as `test_dl` takes them (see `Item`)."""
        return L(Item(self.images, row) for row in self.rows.tolist())

    def on(self, device: torch.device | None) -> "ImageRows":
        """The same rows, their images on `device` if it has room for them all (see `ImageSet.on`)."""
        images = self.images.on(device)
        if images is self.images:
            return self
        there = copy.copy(self)
        there.images, there.rows = images, self.rows.to(images.x.device)
        return there

    @property
    def device(self) -> torch.device:
        return self.rows.device

    def labels_of_rows(self) -> torch.Tensor:
        """int64 `[N]`, −1 where unlabelled."""
        return self.images.y[self.rows]

    def batch(self, positions: torch.Tensor) -> tuple:
        """`(images,)` or `(images, labels)` at `positions`: uint8 `[B, C, H, W]` and int64 `[B]`."""
        rows = self.rows.index_select(0, positions)
        if self.images.sums:
            self.images.check(rows.numpy())
        # channels-last, and not by x[rows], which copies byte by byte
        x = TensorImage(self.images.x.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2))
        return (x, TensorCategory(self.images.y.index_select(0, rows))) if self.labels else (x,)

    def __getitem__(self, i) -> tuple | L:
        """`(image,)` or `(image, label)` at `i`; of a slice or several positions, an `L` of them."""
        at = np.arange(len(self))[np.asarray(i) if isinstance(i, list | tuple | L | torch.Tensor) else i]
        batch = self.batch(torch.from_numpy(np.array(at, ndmin=1)).to(self.device))
        return tuple(part[0] for part in batch) if np.ndim(at) == 0 else L(zip(*batch, strict=True))

    def decode(self, item: tuple, full: bool = True) -> tuple:
        """Class index → class name (for `Learner.predict`)."""
        return (item[0], *(self.vocab[int(label)] for label in item[1:])) if self.labels else item

    @contextmanager
    def set_split_idx(self, split_idx: int) -> Iterator["ImageRows"]:
        """Inside the block, images are augmented (0, as fastai's `tta` asks) or not (1)."""
        before, self.split_idx = self.split_idx, split_idx
        try:
            yield self
        finally:
            self.split_idx = before

    def with_labels(self, wanted: bool) -> "ImageRows":
        """The same rows, with their labels or without. Raises `DataError` for labels that are not known."""
        if wanted and (missing := int((self.labels_of_rows() < 0).sum())):
            raise DataError(f"with_labels: {missing} of {len(self)} images have no class")
        return ImageRows(self.images, self.rows.cpu().numpy(), split_idx=self.split_idx, labels=wanted)

    def new_empty(self) -> "ImageRows":
        """The same without any image (for `Learner.export`)."""
        empty = replace(self.images, x=self.images.x[:0].clone(), y=self.images.y[:0].clone(), sums=None)
        return ImageRows(empty, np.arange(0), split_idx=self.split_idx, labels=self.labels)
