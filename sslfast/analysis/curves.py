"""Curves of scores over an amount of data, and their inverse: how much data gives a score."""

import numpy as np
from scipy import special
from scipy.interpolate import PchipInterpolator

from .intervals import MIN_SEEDS, N_DRAWS, draw_means

__all__ = ["amount_bounds", "amount_for", "envelopes", "last_doubling", "mean_draws", "monotone"]

HALVINGS = 16  # of the (log) interval between two levels: finer than the three digits that are shown


def monotone(scores: np.ndarray) -> np.ndarray:
    """`scores` `[..., L]` made to rise with the amount: the mean of the two `envelopes`.

    A curve that rises stays as it is. A dip is evened out between the levels on both sides.
    """
    so_far, yet_to_come = envelopes(scores)
    return (so_far + yet_to_come) / 2


def envelopes(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest score so far, and the lowest score from here on, at each level of `scores` `[..., L]`.

    Both rise. A curve that rises equals both.
    """
    so_far = np.maximum.accumulate(scores, axis=-1)
    return so_far, np.minimum.accumulate(scores[..., ::-1], axis=-1)[..., ::-1]


def amount_for(amounts: np.ndarray, scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The smallest amount at which each curve reaches each of the wanted scores, `[D, M]`.

    `amounts` `[L]`: the measured levels, increasing and above 0; `scores` `[D, L]`: D curves, made monotone first;
    `wanted` `[D, M]`. Between levels, curves are interpolated by monotone cubics (PCHIP; Fritsch & Carlson 1980) in log
    amount. Beyond the levels nothing is known: infinite where a curve never reaches the score, 0 where its lowest level
    is above it already. Small fractions of few images may be the same number of them: such levels are one, of their
    mean score.
    """
    amounts, scores = _merged(amounts, scores)
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


def _merged(amounts: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different `amounts`, and `scores` `[D, L]` averaged where the amount is the same."""
    different, of = np.unique(amounts, return_inverse=True)
    if len(different) == len(amounts):
        return amounts, scores
    return different, np.stack([scores[:, of == k].mean(axis=1) for k in range(len(different))], axis=1)


def amount_bounds(amounts: np.ndarray, scores: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(low, high)`, `[D, M]` each: bounds of the amount at which each curve reaches the wanted scores.

    Arguments as for `amount_for`. What a curve does between two levels was not measured. It is assumed to lie between
    two lines that join them: one straight in 1 / amount, one straight in amount. Every logarithm does, and every power
    law that levels off with an exponent up to 1, whatever its offset; exponentials and gentle S-shapes nearly do. A
    jump between two levels may violate it. If noise makes a curve dip, `low` comes from the upper of its `envelopes`
    and `high` from the lower one.
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
    """`draw_means` for scores `[S, n]` with missing runs (NaN): `[D, n]`, NaN for columns of fewer than three seeds.

    A missing run affects its own column only. The deviations of a column are scaled so that its interval is Student's t
    interval over the seeds that it has.
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
    """What the last doubling of the amount gained, `[D]`. `logs` `[n]`: amounts, increasing, base 2; `curves` `[D, n]`.

    The score at half the largest amount is interpolated, since the slope between two levels close to each other would
    be mostly noise. If the last two levels are more than a factor of two apart, it is the slope between them.
    """
    half = np.clip(logs[-1] - 1, logs[0], logs[-2])
    k = np.clip(np.searchsorted(logs, half, side="right") - 1, 0, len(logs) - 2)
    share = (half - logs[k]) / (logs[k + 1] - logs[k])
    then = (1 - share) * curves[:, k] + share * curves[:, k + 1]
    return (curves[:, -1] - then) / (logs[-1] - half)


def _place(amounts: np.ndarray, curve: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, ...]:
    """`(found, d, m, interval, share)`: where on its curve each wanted score lies.

    `found` `[D, M]` is final for scores below the first level (0), equal to it, or above the last (infinite). All
    others are listed by `d` and `m`: they lie above the level `interval`, at `share` of the rise to the next level.
    """
    position = (curve[:, None, :] < wanted[:, :, None]).sum(axis=2)  # levels that fall short
    found = np.where(position == 0, 0.0, np.inf)
    found[(position == 0) & (wanted == curve[:, :1])] = amounts[0]
    d, m = np.nonzero((position > 0) & (position < len(amounts)))
    interval = position[d, m] - 1
    below = curve[d, interval]
    return found, d, m, interval, (wanted[d, m] - below) / (curve[d, interval + 1] - below)
