"""What more data than was measured would gain: an average over many curves that fit the scores, none trusted alone."""

import functools
from typing import NamedTuple

import numpy as np
from scipy.special import expit, stdtrit

from .score_grids import Grid

__all__ = ["N_DRAWS", "SURE", "Gains", "gains", "measured_levels"]

N_DRAWS = 2000
WINDOW = 2  # a curve is the mean over this number of the largest levels of the other amount
MISFIT = 0.06  # no curve is exact: it may miss a score by this share of its distance to the score at the largest amount
POWERS = (-1, -0.7, -0.5, -0.25, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1)  # 0: the logarithm; below 0 curves get steeper
RATES = tuple(np.geomspace(0.5, 32, 9))  # of exponentials, per largest amount
STEEPNESS, MIDDLES = (0.7, 1, 1.4, 2), range(-4, 4)  # of S-curves; middles in doublings of the largest amount
TINY = 1e-6  # the least error of a score, for seeds with identical scores
SURE = 0.99  # share of the draws that lie below `most`


class Gains(NamedTuple):
    """`draws` `[D]` of what an option may gain, and an upper bound of its gain, `most` (0 or more)."""

    draws: np.ndarray
    most: float


def gains(grid: Grid, along: str, factor: float) -> Gains | None:
    """What `factor` times the labels (`along` `l`) or unlabelled images (`along` `u`) would add to the score.

    Scores over the measured levels of one amount are modelled as a + b·f(amount), averaged over the two largest levels
    of the other amount (or over one, if the other has missing levels). f is a power law, an exponential approach to a
    ceiling, or an S-curve in log amount; b may be negative, so that data may hurt. A priori the three families have
    equal weight, and so have the members of each. Each curve is then weighted by how well it fits (Bayesian model
    averaging; Hoeting et al. 1999). The errors of the fit are the noise over seeds and a misfit of 6 % of the distance
    to the last score, since scores far below it say little about what comes after it. A draw chooses a curve, then its
    b (Student's t).

    `most` is the larger of two bounds: the 99 % quantile of the draws, and the gain if the slope between the last two
    levels (its 95 % bound) went on. A curve that gets steeper on the way rises further than the draws predict.

    Levels are weighted by their number of runs, so a missing run costs its seed nothing else. None if there are fewer
    than two levels, or no run at the largest of both amounts.
    """
    found = _levels(grid, along)
    if found is None:
        return None
    amounts, mean, error, freedom = found
    f, more = _curves(tuple(amounts / amounts[-1]), float(factor))
    weights = 1 / (error**2 + (MISFIT * (mean - mean[-1])) ** 2 + TINY**2)
    f = f - (f @ weights / weights.sum())[:, None]
    scores = mean - mean @ weights / weights.sum()
    spread = f**2 @ weights
    slopes = f @ (weights * scores) / spread
    # sum of squares, in units of the noise over seeds: the noise itself, and the residuals of each curve
    squares = freedom + (scores - slopes[:, None] * f) ** 2 @ weights
    freedom = freedom + len(mean) - 2
    chances = _beforehand() * (squares / squares.min()) ** (-freedom / 2)
    rng = np.random.default_rng(0 if along == "l" else 1)
    curve = rng.choice(len(f), N_DRAWS, p=chances / chances.sum())
    off = rng.standard_t(freedom, N_DRAWS) * np.sqrt(squares / freedom / spread)[curve]
    draws = (slopes[curve] + off) * more[curve]
    last = mean[-1] - mean[-2] + stdtrit(freedom, 0.95) * np.hypot(error[-1], error[-2])
    most = max(0.0, np.quantile(draws, SURE), last * np.log(factor) / np.log(amounts[-1] / amounts[-2]))
    return Gains(np.clip(draws, -mean[-1], 1 - mean[-1]), float(min(most, 1 - mean[-1])))


def measured_levels(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the levels of l, and of the levels of u above 0, that have a run with an encoder."""
    runs = np.isfinite(grid.scores).any(axis=0) & (grid.unlabelled > 0)
    return np.flatnonzero(runs.any(axis=1)), np.flatnonzero(runs.any(axis=0))


def _levels(grid: Grid, along: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float] | None:
    """`(amounts [n], mean scores [n], standard errors [n], degrees of freedom)` of the curve along one amount."""
    i, j = measured_levels(grid)
    if not len(i):
        return None
    scores = grid.scores[:, i][:, :, j]
    counts = grid.n_labelled[i] if along == "l" else grid.n_unlabelled[i[-1], j]
    if along == "u":
        scores = scores.transpose(0, 2, 1)
    runs = np.isfinite(scores).sum(axis=0)  # [levels, levels of the other amount]
    # of levels with the same number of images, only the last is kept
    levels = (runs[:, -1] > 0) & ((counts < counts[-1]) | (np.arange(len(counts)) == len(counts) - 1))
    if not levels[-1] or levels.sum() < 2:
        return None
    lines = [k for k in range(runs.shape[1]) if (runs[levels, k] > 0).all()][-WINDOW:]
    scores = scores[:, levels][:, :, lines]
    scores = scores[np.isfinite(scores).any(axis=(1, 2))]
    n_runs, share = runs[levels][:, lines].mean(axis=1), np.isfinite(scores).mean()
    curves = _filled(scores).mean(axis=2)
    mean = curves.mean(axis=0)
    rest = curves - mean - (curves - mean).mean(axis=1, keepdims=True)  # a seed that is better everywhere is no noise
    freedom = max(share * rest.size - len(rest) - rest.shape[1] + 1, 1.0)
    return counts[levels], mean, np.sqrt((rest**2).sum() / freedom / n_runs), freedom


def _filled(scores: np.ndarray) -> np.ndarray:
    """`scores` `[S, ...]` with missing runs filled in: the mean of the cell plus the mean deviation of the seed."""
    missing, axes = ~np.isfinite(scores), tuple(range(1, scores.ndim))
    filled = np.where(missing, np.nanmean(scores, axis=0), scores)
    for _ in range(10 * missing.any()):
        cells = filled.mean(axis=0)
        filled = np.where(missing, cells + (filled - cells).mean(axis=axes, keepdims=True), filled)
    return filled


@functools.lru_cache
def _curves(amounts: tuple[float, ...], factor: float) -> tuple[np.ndarray, np.ndarray]:
    """The K curves `f` `[K, n]` at `amounts` (shares of the largest), and what each gains beyond it, up to `factor`."""
    x = np.array([*amounts, 1.0, factor])
    forms = [-(x**-p) / p if p else np.log(x) for p in POWERS] + [-np.exp(-c * x) for c in RATES]
    f = np.array(forms + [expit(k * np.log(2) * (np.log2(x) - m)) for k in STEEPNESS for m in MIDDLES])
    return f[:, :-2], f[:, -1] - f[:, -2]


@functools.lru_cache
def _beforehand() -> np.ndarray:
    sizes = np.array([len(POWERS), len(RATES), len(STEEPNESS) * len(MIDDLES)])
    return np.repeat(1 / sizes / len(sizes), sizes)
