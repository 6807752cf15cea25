"""Scores against an amount of data on a log axis, and back: how much data gives a score."""

import numpy as np
from scipy.interpolate import PchipInterpolator

__all__ = ["amount_for", "monotone"]

HALVINGS = 25  # of the interval between two levels: below any rounding of counts


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
