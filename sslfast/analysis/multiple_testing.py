"""Corrections of p-values for the number of tests: Holm's method."""

import numpy as np

__all__ = ["holm"]


def holm(p: np.ndarray) -> np.ndarray:
    """The p-values `p` `[n]` of a family of tests, corrected by Holm's step-down method.

    If each corrected p-value is compared with α, the chance of any false rejection in the family is at most α. Equals
    statsmodels' `multipletests(p, method="holm")`, which collects garbage at every call: that took longer than the rest
    of the analysis. Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(steps, 1)[np.argsort(order)]
