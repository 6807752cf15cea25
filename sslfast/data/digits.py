"""The digits that come with scikit-learn."""

from pathlib import Path
from typing import TextIO

import numpy as np

from .decoding import ImageOptions
from .images import Arrays
from .splits import split_off

__all__ = ["digits"]


def digits(_root: Path, options: ImageOptions, _progress: TextIO | None) -> Arrays:
    """1,797 handwritten digits, 8 × 8, grey (UCI optical recognition of handwritten digits)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
    y = found.target.astype(np.int64)
    test = split_off(y, options.test_fraction, options.test_seed)
    train = np.setdiff1d(np.arange(len(y)), test)
    return Arrays(x[train], y[train], x[test], y[test], tuple(str(n) for n in range(10)))
