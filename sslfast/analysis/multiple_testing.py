"""Corrections of p-values for the number of tests: Holm's method."""

import numpy as np

__all__ = ["holm"]


def holm(p: np.ndarray) -> np.ndarray:
    """p-values `[n]` of a family corrected by Holm's step-down method: the family errs at most at the level tested.

    As statsmodels' `multipletests(p, method="holm")`, whose garbage collection at every call takes longer than all
    else that the analysis does.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(steps, 1)[np.argsort(order)]
