"""Scores against an amount of data on a log axis, and back: how much data gives a score."""

import numpy as np
from scipy.interpolate import PchipInterpolator

__all__ = ["amount_for", "last_doubling", "monotone"]

HALVINGS = 16  # of the (log) interval between two levels: finer than the three figures that are shown


def monotone(scores: np.ndarray) -> np.ndarray:
    """`scores` `[..., L]` made to rise with the amount: the middle of the highest so far and the lowest yet to come.

    A curve that rises stays as it is; noise that makes it dip is shared between its neighbours.
    """
    so_far = np.maximum.accumulate(scores, axis=-1)
    yet_to_come = np.minimum.accumulate(scores[..., ::-1], axis=-1)[..., ::-1]
    return (so_far + yet_to_come) / 2


def amount_for(amounts: np.ndarray, scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The smallest amount at which each curve reaches the wanted scores, `[D, M]`.

    `amounts` `[L]`: increasing, above 0; `scores` `[D, L]`, made monotone; `wanted` `[D, M]`. Between levels, monotone
    cubic interpolation (PCHIP; Fritsch & Carlson 1980) in log amount. Infinite where a curve never reaches it; 0 where
    its lowest level lies above it already: beyond the levels nothing is known.
    """
    curve = monotone(scores)
    position = (curve[:, None, :] < wanted[:, :, None]).sum(axis=2)  # levels that fall short
    found = np.where(position == 0, 0.0, np.inf)
    found[(position == 0) & (wanted == curve[:, :1])] = amounts[0]
    d, m = np.nonzero((position > 0) & (position < len(amounts)))
    if len(d) == 0:
        return found
    interval, logs = position[d, m] - 1, np.log(amounts)
    cubic = PchipInterpolator(logs, curve, axis=1).c[:, interval, d]  # [4, hits], powers of the distance from the left
    low, high = np.zeros(len(d)), np.diff(logs)[interval]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = ((cubic[0] * middle + cubic[1]) * middle + cubic[2]) * middle + cubic[3] < wanted[d, m]
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    found[d, m] = np.exp(logs[interval] + high)
    return found


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
