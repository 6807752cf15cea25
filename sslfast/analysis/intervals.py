"""Means over seeds, with intervals."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["Estimate", "mean_interval"]

MIN_SEEDS = 3  # below, an interval would say more about the method than about the data


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and its confidence interval (`low`, `high`), NaN below three seeds."""

    mean: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 3, sign: bool = False) -> str:
        """For example `0.481 [0.472, 0.490]`; without brackets where there is no interval."""
        form = f"{{:{'+' if sign else ''}.{digits}f}}"
        if self.n == 0:
            return "no runs"
        interval = f" [{form.format(self.low)}, {form.format(self.high)}]" if np.isfinite(self.low) else ""
        return form.format(self.mean) + interval


def mean_interval(values: Iterable[float], level: float = 0.95) -> Estimate:
    """Mean and Student's t interval with n − 1 degrees of freedom of one value a seed; NaNs are dropped.

    A percentile bootstrap over so few seeds would cover far less than `level`.
    """
    values = np.asarray([v for v in values if np.isfinite(v)], dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    if n < MIN_SEEDS:
        return Estimate(mean, float("nan"), float("nan"), n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n)
