"""How many images a study's splits hold, and a small part of its images to measure on."""

import numpy as np

from ..data.images import Arrays, ImageData, from_arrays
from ..data.splits import Split, make_split
from ..study.study import Study
from .work import Sizes

__all__ = ["portion", "sizes_of"]


def sizes_of(split: Split, n_test: int, study: Study) -> Sizes:
    """The `Sizes` of `study`; `split`: that of one of its seeds."""
    pool = study.pool
    of = study.labelled if pool == "rest" else [None]
    return Sizes(
        n_valid=len(split.valid),
        n_test=n_test,
        n_pool=len(split.pool("all")),
        n_labelled=split.n_labelled,
        labelled={label: len(split.labelled(label)) for label in study.labelled},
        unlabelled={
            (u, label): len(split.unlabelled(u, pool, label or 0)) for u in study.unlabelled for label in of if u != "0"
        },
    )


def portion(data: ImageData, split: Split, n_train: int, n_valid: int) -> tuple[ImageData, Split]:
    """About `n_train` training, `n_valid` validation and as many test images of `data`, and their split.

    `split`: one of all of them. Every class keeps an image of each kind; there may be fewer images than asked for.
    """
    y, test_y = data.train.y.numpy(), data.test.y.numpy()
    classes = len(data.classes)
    valid = _of_each_class(y, split.valid, -(-n_valid // classes))
    labelled = split.labelled(1)
    pool = split.pool("all")
    train = _of_each_class(y, labelled, -(-n_train // classes))
    more = pool[y[pool] < 0][:n_train]
    rows = np.sort(np.concatenate([valid, train, more]))
    test = _of_each_class(test_y, np.arange(len(test_y)), -(-n_valid // classes))
    whole = Arrays(
        np.ascontiguousarray(data.train.pixels(rows)), y[rows],
        np.ascontiguousarray(data.test.pixels(test)), test_y[test],
        data.classes, dict(data.notes), data.unlabelled_elsewhere,
    )  # fmt: skip
    part = from_arrays(data.name, whole, data.fingerprint)
    share = len(valid) / (len(valid) + len(train))
    return part, make_split(part, split.seed, share)


def _of_each_class(y: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """The first `n` of `rows` of every class."""
    return np.concatenate([rows[y[rows] == label][:n] for label in np.unique(y[rows])])
