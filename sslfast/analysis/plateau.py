"""Where more unlabelled data stops helping, tested so that the chance of saying so wrongly is known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .grids import Grid, complete, each_label, grids
from .intervals import holm, mean_intervals, p_values
from .words import count, evidence, fraction, points

__all__ = ["Plateau", "plateau_of", "plateaus"]


@dataclass(frozen=True)
class Plateau:
    """Of one curve of scores over increasing u. Indices into that curve; scores 0 to 1.

    `index`: the smallest u from which on more is worth less than δ; None: not shown. `last_gain` with
    `last_gain_low`, `last_gain_high`: what the last step, to the largest u, gained, with its one-sided limits at 1 − α.
    `better_inside`: a smaller u that scored better than the largest (by `inside_gain`), None if none is shown to.
    """

    index: int | None
    last_gain: float
    last_gain_low: float
    last_gain_high: float
    better_inside: int | None
    inside_gain: float
    n_seeds: int
    n_dropped: int


def plateau_of(scores: np.ndarray, delta: float = 0.015, alpha: float = 0.05) -> Plateau:
    """The plateau of `scores` `[S, U]`, seeds by increasing u (two or more), NaN for a missing run.

    With D_i = score(largest u) − score(u_i) a seed, H0: mean D_i ≥ `delta` is rejected if its upper limit
    at 1 − `alpha` is below `delta`; tested from the largest u downwards, stopping at the first that is not rejected.
    So at most a share `alpha` of studies names a u that is too small: the first true H0 on the way down has to be
    rejected for that, and that is one test (fixed-sequence testing; Maurer, Hothorn & Lehmacher 1995). Naming the
    smallest u that passes would err far more often. Seeds with a missing run are dropped.
    """
    whole = complete(scores)
    used = scores[whole]
    n, n_dropped = len(used), int((~whole).sum())
    gains = used[:, -1:] - used[:, :-1]
    if not n:
        return Plateau(None, np.nan, np.nan, np.nan, None, np.nan, 0, n_dropped)
    mean = gains.mean(axis=0)
    se = gains.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(mean.shape, np.nan)
    low, high = mean_intervals(mean, se, n, level=1 - 2 * alpha)
    passed = high < delta
    run = int(np.argmin(passed[::-1])) if not passed.all() else len(passed)  # unbroken, from the top
    index = len(passed) - run if run else None
    p = p_values(-mean, se, n)
    shown = holm(p) < alpha  # False without p-values
    best = int(np.argmin(np.where(shown, mean, np.inf))) if shown.any() else None
    inside = float(-mean[best]) if best is not None else np.nan
    return Plateau(index, float(mean[-1]), float(low[-1]), float(high[-1]), best, inside, n, n_dropped)


def plateaus(
    cells: pd.DataFrame, metric: str = "test_macro_f1", *, delta: float = 0.015, alpha: float = 0.05
) -> pd.DataFrame:
    """The plateau at each labelled fraction: a row a (encoder, method, l); `alpha` is shared among the l.

    `shown`; `u` and `n_unlabelled`, the smallest amount from which on more is worth less than `delta` (NaN if not
    shown); `last_gain` of the last step and its one-sided limits `last_gain_low`, `last_gain_high`; `better_u`, a
    smaller u that is shown to score better than the largest; `n_seeds`, `n_dropped`; `sentence`. To find the right u
    in 80 % of studies with δ = 1.5 points takes 3, 4 or 6 seeds if paired differences have an sd of 0.5, 0.75 or 1.
    """
    rows = []
    for grid in grids(cells, metric):
        labels = list(each_label(grid))
        for i, row in labels:
            measured = np.isfinite(grid.scores[:, i]).any(axis=0)
            us, counts = grid.unlabelled[measured], grid.n_unlabelled[i][measured]
            if measured.sum() < 2:
                row |= {"shown": False, "n_seeds": int(complete(grid.scores[:, i][:, measured]).sum())}
                row["n_dropped"] = len(grid.seeds) - row["n_seeds"]
                row["sentence"] = f"{_where(grid, row)}: no plateau can be looked for with fewer than two amounts."
                rows.append(row)
                continue
            found = plateau_of(grid.scores[:, i][:, measured], delta, alpha / len(labels))
            shown, better = found.index is not None, found.better_inside
            rows.append(
                row
                | {
                    "shown": shown,
                    "u": us[found.index] if shown else np.nan,
                    "n_unlabelled": counts[found.index] if shown else np.nan,
                    "last_gain": found.last_gain,
                    "last_gain_low": found.last_gain_low,
                    "last_gain_high": found.last_gain_high,
                    "better_u": us[better] if better is not None else np.nan,
                    "n_seeds": found.n_seeds,
                    "n_dropped": found.n_dropped,
                    "sentence": _sentence(grid, row, found, us, counts, delta),
                }
            )
    columns = ["encoder", "method", "l", "n_labelled", "shown", "u", "n_unlabelled", "last_gain", "last_gain_low"]
    columns += ["last_gain_high", "better_u", "n_seeds", "n_dropped", "sentence"]
    return pd.DataFrame(rows, columns=columns)


def _where(grid: Grid, row: dict) -> str:
    return f"With {count(row['n_labelled'])} labels" + (f" ({grid.title})" if grid.title else "")


def _sentence(grid: Grid, row: dict, found: Plateau, us: np.ndarray, counts: np.ndarray, delta: float) -> str:
    if not found.n_seeds:
        return f"{_where(grid, row)}: no plateau can be looked for, no seed has every run."
    kind = evidence(found.n_seeds)
    last = f"from {count(counts[-2])} to {count(counts[-1])} unlabelled images"
    if not np.isfinite(found.last_gain_high):
        text = f"the step {last} changed the score by {points(found.last_gain, sign=True)}, too few seeds for more"
    elif found.index is not None:
        at = f"{count(counts[found.index])} unlabelled images ({fraction(us[found.index])})"
        if us[found.index] == 0:
            at = "an encoder that learned nothing"
        text = f"beyond {at}, more of them are worth less than {points(delta)} up to {count(counts[-1])}"
    else:
        text = (
            f"no plateau is shown: the last step, {last}, gained {points(found.last_gain, sign=True)} and may have"
            f" gained up to {points(found.last_gain_high, sign=True)}, and more data may give as much again"
        )
    if found.better_inside is not None:
        text += (
            f"; {count(counts[found.better_inside])} scored better than {count(counts[-1])},"
            f" by {points(found.inside_gain)}"
        )
    return f"{_where(grid, row)}, {text} ({kind})."
