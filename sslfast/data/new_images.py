"""Images that come after training: from whatever a person has of them to rows like those of the data set."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from ..errors import DataError, shown
from ..files import user_path
from .images import ImageSet
from .listing import look_below
from .looking import nfc
from .rows import ImageRows, Item

__all__ = ["new_rows"]

CHANNELS = (1, 3, 4)


def new_rows(like: ImageSet, items, with_labels: bool = False) -> ImageRows:
    """`items` as rows to predict, decoded as the images of `like` were.

    `items`: paths, open files, bytes, PIL images, arrays `[H, W]` or `[H, W, C]`, tensors `[C, H, W]` (uint8, or floats
    from 0 to 1), items of a loader; one array or tensor of all; rows of a table, whose first value
    is the image; a folder, then all images below it in the order of
    their paths; or a DataFrame, whose first column holds images and whose second holds classes. `with_labels`: classes
    are those of loader items, of the DataFrame, or the names of the folders that files are in.
    Raises `DataError` for no images, for what is none, and for classes that the data set does not have.
    """
    sources, names = _listed(items)
    if not len(sources):
        raise DataError(f"items: found no images ({shown(items)[:60]}), expected one or more")
    of_loaders = [source for source in sources if isinstance(source, Item)]
    if len(of_loaders) == len(sources) and all(item.images is of_loaders[0].images for item in of_loaders):
        rows = ImageRows(of_loaders[0].images, np.array([item.row for item in of_loaders]), split_idx=1, labels=False)
        return rows.with_labels(with_labels)
    images = like.new([_source(source, like, i) for i, source in enumerate(sources)])
    if with_labels:
        if names is None:
            names = [_class_of(source) for source in sources]
        images = replace(images, y=_labels(names, sources, like.classes))
    return ImageRows(images, np.arange(len(images)), split_idx=1, labels=with_labels)


def _listed(items) -> tuple[Sequence, list | None]:
    """The images among `items`, and the names of their classes where a table has them."""
    if isinstance(items, pd.DataFrame):
        columns = [items.iloc[:, i].tolist() for i in range(min(2, items.shape[1]))]
        return (columns or [[]])[0], columns[1] if len(columns) == 2 else None
    if isinstance(items, pd.Series):
        return items.tolist(), None
    if isinstance(items, str | os.PathLike):
        path = user_path(str(items), "items")
        if path.is_dir():
            return [file[0] for file in look_below(path, "items", "images")], None
        return [path], None
    if isinstance(items, Iterator) and not hasattr(items, "read"):  # of images; an open file is one image
        items = list(items)
    alone = isinstance(items, bytes | Item) or not hasattr(items, "__len__")
    if isinstance(items, Tensor | np.ndarray):  # an image and not a batch of them
        alone = items.ndim == 2 or (items.ndim == 3 and bool({items.shape[0], items.shape[-1]} & set(CHANNELS)))
    return ([items] if alone else items), None


def _source(item, like: ImageSet, i: int):
    """`item` as what `ImageSet.new` takes."""
    if isinstance(item, pd.Series) and len(item):  # a row of a table
        item = item.iloc[0]
    if isinstance(item, Item):
        return item.images.x[item.row]
    if isinstance(item, bytes):
        return io.BytesIO(item)
    if isinstance(item, Tensor):
        if item.dtype == torch.uint8 and item.shape == like.x.shape[1:]:
            return item.as_subclass(Tensor).cpu()
        return _array(item.detach().cpu().as_subclass(Tensor).numpy(), like, i, channels_first=True)
    if isinstance(item, np.ndarray):
        return _array(item, like, i, channels_first=False)
    if not isinstance(item, str | os.PathLike | Image.Image) and not hasattr(item, "read"):
        raise DataError(
            f"image number {i}: found {shown(item)[:60]}, expected a path, bytes, an image, array or tensor"
        )
    return item


def _array(x: np.ndarray, like: ImageSet, i: int, channels_first: bool) -> np.ndarray:
    """`[H, W]` or `[H, W, C]`, of a type that Pillow has."""
    first, last = (x.ndim == 3 and x.shape[at] in CHANNELS for at in (0, -1))
    if first and (channels_first or not last):
        x = np.moveaxis(x, 0, -1)
    elif x.ndim != 2 and not last:
        raise DataError(f"image number {i}: found an array of shape {x.shape}, expected [C, H, W], [H, W, C] or [H, W]")
    x = x[..., 0] if x.ndim == 3 and x.shape[-1] == 1 else x
    deep = like.decoding is not None and like.decoding.grey is not None and x.ndim == 2
    if x.dtype.kind == "f" and not deep:
        if not (x.size and 0 <= x.min() <= x.max() <= 1):
            found = f"values from {x.min():.3g} to {x.max():.3g}" if x.size else "no pixels"
            raise DataError(f"image number {i}: found {found}, expected floats from 0 to 1, or uint8")
        x = (x * 255).round().astype(np.uint8)
    elif x.dtype.kind == "b":
        x = x.astype(np.uint8) * 255
    elif x.dtype == np.int64 and x.size and 0 <= x.min() <= x.max() <= 255:
        x = x.astype(np.uint8)
    return np.ascontiguousarray(x)


def _class_of(source) -> str | None:
    if isinstance(source, Item):
        return source.label
    return Path(source).parent.name if isinstance(source, str | os.PathLike) else None


def _labels(names: list, sources: Sequence, classes: Sequence[str]) -> Tensor:
    """int64 `[N]`: the place of each name among `classes`."""
    known = {name: i for i, name in enumerate(classes)}
    found = [known.get(nfc(str(name))) if name is not None else None for name in names]
    if None in found:
        i = found.index(None)
        what = f"image number {i} has no class" if names[i] is None else f"the class {shown(names[i])} of image {i}"
        raise DataError(
            f"with_labels: {what} ({shown(sources[i])[:60]}), expected one of {', '.join(classes)[:200]}: the folder"
            " that the file is in, or the second column of a DataFrame"
        )
    return torch.tensor(found)
