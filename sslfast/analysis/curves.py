"""Scores against an amount of data on a log axis, and back: how much data gives a score."""

import numpy as np
from scipy import special
from scipy.interpolate import PchipInterpolator

from .intervals import MIN_SEEDS, N_DRAWS, draw_means

__all__ = ["amount_bounds", "amount_for", "envelopes", "last_doubling", "mean_draws", "monotone"]

HALVINGS = 16  # of the (log) interval between two levels: finer than the three figures that are shown


def monotone(scores: np.ndarray) -> np.ndarray:
    """`scores` `[..., L]` made to rise with the amount: the middle of `envelopes`.

    A curve that rises stays as it is; noise that makes it dip is shared between its neighbours.
    """
    so_far, yet_to_come = envelopes(scores)
    return (so_far + yet_to_come) / 2


def envelopes(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest of `scores` `[..., L]` so far and the lowest yet to come: both rise, and a rising curve is both."""
    so_far = np.maximum.accumulate(scores, axis=-1)
    return so_far, np.minimum.accumulate(scores[..., ::-1], axis=-1)[..., ::-1]


def amount_for(amounts: np.ndarray, scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The smallest amount at which each curve is thought to reach the wanted scores, `[D, M]`.

    `amounts` `[L]`: increasing, above 0; `scores` `[D, L]`, made monotone; `wanted` `[D, M]`. Between levels, monotone
    cubic interpolation (PCHIP; Fritsch & Carlson 1980) in log amount. Infinite where a curve never reaches it; 0 where
    its lowest level lies above it already: beyond the levels nothing is known.
    """
    curve = monotone(scores)
    found, d, m, interval, _ = _place(amounts, curve, wanted)
    if len(d) == 0:
        return found
    logs = np.log(amounts)
    cubic = PchipInterpolator(logs, curve, axis=1).c[:, interval, d]  # [4, hits], powers of the distance from the left
    low, high = np.zeros(len(d)), np.diff(logs)[interval]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = ((cubic[0] * middle + cubic[1]) * middle + cubic[2]) * middle + cubic[3] < wanted[d, m]
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    found[d, m] = np.exp(logs[interval] + high)
    return found


def amount_bounds(amounts: np.ndarray, scores: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(low, high)`, `[D, M]` each: between which amounts each curve reaches the wanted scores, given as to
    `amount_for`.

    What a curve does between two levels was not measured. It is taken to lie between the straight lines that join them
    in 1 / amount and in amount. So does every logarithm and every power law that levels off with an exponent up to 1,
    whatever its offset; exponentials and gentle S-shapes nearly do. A jump between two levels need not. Where noise
    makes a curve dip, `low` is of the upper of its `envelopes` and `high` of the lower.
    """
    upper, lower = envelopes(scores)
    low, d, m, interval, share = _place(amounts, upper, wanted)
    before, after = amounts[interval], amounts[interval + 1]
    low[d, m] = 1 / (1 / before + share * (1 / after - 1 / before))
    high, d, m, interval, share = _place(amounts, lower, wanted)
    before, after = amounts[interval], amounts[interval + 1]
    high[d, m] = before + share * (after - before)
    return low, high


def mean_draws(scores: np.ndarray, n_draws: int = N_DRAWS) -> np.ndarray:
    """`draw_means` of scores `[S, n]` with gaps (NaN): `[D, n]`, NaN where fewer than three seeds are left.

    A missing run costs its own column a seed, and no other. Deviations are stretched so that the interval of a column
    is Student's t interval over the seeds that it has.
    """
    n, n_seeds = np.isfinite(scores).sum(axis=0), len(scores)
    enough = n >= MIN_SEEDS
    if not enough.any():
        return np.empty((0, scores.shape[1]))
    n = np.where(enough, n, n_seeds)
    scores = np.where(enough, scores, 0.0)
    mean = np.nanmean(scores, axis=0)
    t = special.stdtrit(n - 1, 0.975) / special.stdtrit(n_seeds - 1, 0.975)
    stretched = t * np.sqrt(n_seeds * (n_seeds - 1) / (n * (n - 1))) * (scores - mean)
    draws = draw_means(mean + np.nan_to_num(stretched), n_draws)
    return np.where(enough, draws, np.nan)


def last_doubling(logs: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """What the last doubling of the amount gained, `[D]`; `logs` `[n]`: increasing, base 2; `curves` `[D, n]`.

    Interpolated at half the largest amount: two levels that lie close together would turn their noise into a steep
    slope. Where the last two levels lie further apart, their slope.
    """
    half = np.clip(logs[-1] - 1, logs[0], logs[-2])
    k = np.clip(np.searchsorted(logs, half, side="right") - 1, 0, len(logs) - 2)
    share = (half - logs[k]) / (logs[k + 1] - logs[k])
    then = (1 - share) * curves[:, k] + share * curves[:, k + 1]
    return (curves[:, -1] - then) / (logs[-1] - half)


def _place(amounts: np.ndarray, curve: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, ...]:
    """`(found, d, m, interval, share)`: the amounts `[D, M]`, 0 or infinite, where nothing lies between two levels; and
    for all others, `found[d, m]`, the index of the level below and the share of the rise to the next."""
    position = (curve[:, None, :] < wanted[:, :, None]).sum(axis=2)  # levels that fall short
    found = np.where(position == 0, 0.0, np.inf)
    found[(position == 0) & (wanted == curve[:, :1])] = amounts[0]
    d, m = np.nonzero((position > 0) & (position < len(amounts)))
    interval = position[d, m] - 1
    below = curve[d, interval]
    return found, d, m, interval, (wanted[d, m] - below) / (curve[d, interval + 1] - below)
