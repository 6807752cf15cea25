"""Means over seeds with their confidence intervals, and draws of what the true means may be."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import special  # not stats, which takes half a second to import

__all__ = [
    "MIN_SEEDS",
    "Estimate",
    "draw_means",
    "mean_interval",
    "mean_intervals",
    "quantile",
    "score_intervals",
]

MIN_SEEDS = 3  # below this, an interval would depend more on assumptions than on data
N_DRAWS = 1000


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and its confidence interval (`low`, `high`), NaN below three seeds."""

    mean: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 3, sign: bool = False) -> str:
        """For example `0.481 [0.472, 0.490]`; without brackets if there is no interval."""
        form = f"{{:{'+' if sign else ''}.{digits}f}}"
        if self.n == 0:
            return "no runs"
        interval = f" [{form.format(self.low)}, {form.format(self.high)}]" if np.isfinite(self.low) else ""
        return form.format(self.mean) + interval


def mean_interval(values: Iterable[float], level: float = 0.95) -> Estimate:
    """The mean of `values`, one per seed, with Student's t interval (n − 1 degrees of freedom); NaNs are dropped.

    A percentile bootstrap over so few seeds would cover the true mean far less often than `level`.
    """
    values = np.asarray([v for v in values if np.isfinite(v)], dtype=float)
    mean, se = _mean_and_error(values)
    low, high = mean_intervals(mean, se, len(values), level)
    return Estimate(float(mean), float(low), float(high), len(values))


def mean_intervals(mean: np.ndarray | float, se: np.ndarray | float, n: np.ndarray | int, level: float = 0.95) -> tuple:
    """`(low, high)` of Student's t intervals, from means, standard errors and numbers of seeds (arrays or numbers)."""
    n = np.asarray(n)
    half = special.stdtrit(np.maximum(n - 1, 1), (1 + level) / 2) * se
    half = np.where(n >= MIN_SEEDS, half, np.nan)
    return mean - half, mean + half


def score_intervals(mean: np.ndarray, se: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple:
    """`mean_intervals` for scores: the ends of the intervals stay between 0 and 1, as scores do.

    The half width of the t interval is transformed to the logit scale by the slope of the logit at the mean. (A t
    interval of the logits themselves weighs low scores more, and covers less.) NaN if all seeds score the same, since
    that says nothing about chance.
    """
    mean, se = np.asarray(mean, float), np.asarray(se, float)
    inside = (mean > 0) & (mean < 1) & (se > 0)
    safe = np.where(inside, mean, 0.5)
    low, high = mean_intervals(np.zeros(mean.shape), se / (safe * (1 - safe)), n, level)
    ends = (special.expit(special.logit(safe) + end) for end in (low, high))
    return tuple(np.where(inside, end, np.nan) for end in ends)


def draw_means(scores: np.ndarray, n_draws: int = N_DRAWS, seed: int = 0) -> np.ndarray:
    """Draws of what the true means may be, `[n_draws, ...]`, from scores `[seeds, ...]` without NaN.

    Y* = ȳ + τ Σ z_s (y_s − ȳ) / √(S(S−1)), with z standard normal and τ = √((S−1)/χ²). All scores of a seed share one
    z, so their correlation is kept. A quantile interval of any mean, or of a linear function of means, is then
    Student's t interval; other functions are applied to each draw. Below three seeds there are no draws: `[0, ...]`.
    """
    n_seeds = len(scores)
    if n_seeds < MIN_SEEDS:
        return np.empty((0, *scores.shape[1:]))
    rng = np.random.default_rng(seed)
    mean = scores.mean(axis=0)
    z = rng.standard_normal((n_draws, n_seeds))
    tau = np.sqrt((n_seeds - 1) / rng.chisquare(n_seeds - 1, (n_draws, 1)))
    return mean + np.tensordot(tau * z / np.sqrt(n_seeds * (n_seeds - 1)), scores - mean, axes=1)


def quantile(draws: np.ndarray, level: float) -> np.ndarray:
    """The `level` quantile over draws `[n_draws, ...]`, some of which may be infinite; NaN without draws."""
    if not len(draws):
        return np.full(draws.shape[1:], np.nan)
    # a value that was drawn, since nothing can be interpolated between −inf and inf
    return np.quantile(draws, level, axis=0, method="inverted_cdf")


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    if not len(values):
        return np.nan, np.nan
    if np.ptp(values) == 0:  # the mean of identical numbers may differ from them in the last digit
        return values[0], 0.0 if len(values) > 1 else np.nan
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))
