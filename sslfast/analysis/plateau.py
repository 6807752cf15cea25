"""Where more unlabelled data stops helping, by tests with a known error rate."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..study.names import RANDOM
from .base_nets import frozen_nets
from .comparisons import ALPHA, DELTA
from .intervals import MIN_SEEDS
from .multiple_testing import holm
from .paired import Paired, moderated, suspects
from .score_grids import Grid, complete, each_label, grids
from .words import count, evidence, fraction, points

__all__ = ["Plateau", "plateaus", "plateaus_of"]


@dataclass(frozen=True)
class Plateau:
    """The plateau of one curve of scores (0 to 1) over increasing u. Indices are positions on the curve.

    * `index`: the smallest u beyond which more is shown to gain less than δ; None if no plateau is shown.
    * `last_gain`, `last_gain_low`, `last_gain_high`: what the last step, to the largest u, gained, and its one-sided
      limits at 1 − α.
    * `better_inside`: a smaller u that is shown to score better than the largest, by `inside_gain`; None if there is
      none.
    * `n_seeds`: the fewest seeds that any two amounts have in common; `n_dropped`: the other seeds.
    """

    index: int | None
    last_gain: float
    last_gain_low: float
    last_gain_high: float
    better_inside: int | None
    inside_gain: float
    n_seeds: int
    n_dropped: int


def plateaus_of(
    scores: np.ndarray, n_labelled: np.ndarray | None = None, delta: float = DELTA, alpha: float = ALPHA,
    control: bool = False, variance: np.ndarray | None = None,
) -> list[Plateau | None]:  # fmt: skip
    """The plateau of each curve of `scores` `[S, L, U]` (seeds, numbers of labels, increasing u), NaN for missing runs.

    None for a curve with fewer than two amounts. `control`: the first u is the random control, whose spread over seeds
    is estimated separately (see `moderated`). `variance` `[L, U, U]`: the variance that the choice of test images adds
    to the difference of two u, if known.

    Let D_ik = score(u_k) − score(u_i), paired by seed. u_i passes if the upper limits at 1 − `alpha` of *all* D_ik with
    k > i are below `delta`: not only the largest, but every larger amount gains less than `delta` (an
    intersection-union test: each is tested at `alpha`, and all have to pass; Berger 1982). The tests go from the
    largest u downwards and stop at the first u that does not pass. Then at most a share `alpha` of studies names a u
    that is too small, since that takes the rejection of the first true null hypothesis on the way down, which is a
    single test (fixed-sequence testing; Maurer, Hothorn & Lehmacher 1995). Naming the smallest u that passes would err
    far more often.
    """
    first, second = np.triu_indices(scores.shape[2], 1)
    if not len(first):
        return [None] * scores.shape[1]
    gains = _gains(scores, n_labelled, first, second, control)
    if variance is not None:
        gains = gains.with_variance(np.nan_to_num(variance[:, first, second]))
    low, high = gains.interval(1 - 2 * alpha)
    return [_plateau(scores[:, i], first, second, gains, (low, high), i, delta, alpha) for i in range(scores.shape[1])]


def _gains(scores: np.ndarray, n_labelled, first: np.ndarray, second: np.ndarray, control: bool) -> Paired:
    """The differences between all pairs of u, `[L, pairs]`."""
    doubtful = suspects(scores)
    differences, doubtful = scores[:, :, second] - scores[:, :, first], doubtful[:, :, first] | doubtful[:, :, second]
    parts = [np.flatnonzero((first == 0) & control), np.flatnonzero((first > 0) | (not control))]
    found = [moderated(differences[:, :, pairs], n_labelled, doubtful[:, :, pairs]) for pairs in parts if len(pairs)]
    back = np.argsort(np.concatenate(parts))
    whole = (np.concatenate([getattr(part, name) for part in found], axis=1) for name in ("mean", "se", "free", "n"))
    return Paired(*(values[:, back] for values in whole))


def _plateau(curve, first, second, gains: Paired, limits: tuple, i: int, delta: float, alpha: float) -> Plateau | None:
    """The plateau of `curve` `[S, U]`, which is row `i` of `gains` and `limits`."""
    measured = np.flatnonzero(np.isfinite(curve).any(axis=0))
    if len(measured) < 2:
        return None
    low, high = (limit[i] for limit in limits)
    known = np.isin(first, measured) & np.isin(second, measured)
    below = measured[:-1]
    passed = np.array([(high[known & (first == u)] < delta).all() for u in below])
    index = None
    for u, good in zip(below[::-1], passed[::-1], strict=True):
        if not good:
            break
        index = int(np.searchsorted(measured, u))
    whole = known & (second == measured[-1])  # from each smaller u to the largest, in order
    last = np.flatnonzero(whole)[-1]
    n = int(gains.n[i][known].min())
    p = np.where(np.isfinite(gains.se[i][whole]), gains.below()[i][whole], 1.0)
    mean = gains.mean[i][whole]
    better = holm(p) < alpha
    best = int(np.argmin(np.where(better, mean, np.inf))) if better.any() else None
    inside = float(-mean[best]) if best is not None else np.nan
    step = float(gains.mean[i][last]), float(low[last]), float(high[last])
    return Plateau(index, *step, best, inside, n, len(curve) - n)


def plateaus(
    cells: pd.DataFrame,
    metric: str = "test_macro_f1",
    *,
    delta: float = DELTA,
    alpha: float = ALPHA,
    image_noise: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The plateau at each labelled fraction: one row per (encoder, method, l).

    `shown`: whether a plateau is shown; `u`, `n_unlabelled`: the smallest amount beyond which more gains less than
    `delta` (NaN if not shown); `last_gain`, `last_gain_low`, `last_gain_high`: what the last step gained, and its
    one-sided limits; `better_u`: a smaller u that is shown to score better than the largest; `n_seeds`, `n_dropped`;
    `sentence`. All curves of a study share the error rate `alpha`. `image_noise`: see `contrasts`.
    """
    rows = []
    frozen = frozen_nets(cells)
    made = [grid for grid in grids(cells, metric) if grid.method not in frozen]
    n_curves = max(sum(len(list(each_label(grid))) for grid in made), 1)
    for grid in made:
        control, variance = bool((grid.unlabelled == 0).any()), _variance(grid, metric, image_noise)
        curves = plateaus_of(grid.scores, grid.n_labelled, delta, alpha / n_curves, control, variance)
        for i, row in each_label(grid):
            found = curves[i]
            measured = np.isfinite(grid.scores[:, i]).any(axis=0)
            us, counts = grid.unlabelled[measured], grid.n_unlabelled[i][measured]
            if found is None:
                row |= {"shown": False, "n_seeds": int(complete(grid.scores[:, i][:, measured]).sum())}
                row["n_dropped"] = len(grid.seeds) - row["n_seeds"]
                row["sentence"] = f"{_where(grid, row)}: no plateau can be looked for with fewer than two amounts."
                rows.append(row)
                continue
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


def _variance(grid: Grid, metric: str, image_noise: pd.DataFrame | None) -> np.ndarray | None:
    """The variance that the choice of test images adds to each difference of two u, `[L, U, U]`, smaller u first."""
    if image_noise is None or metric not in image_noise:
        return None
    known = image_noise[(image_noise.encoder == grid.encoder) & (image_noise.method == grid.method)]
    known = known[known.other.isin([grid.method, grid.start]) & known.l.isin(grid.labelled)]
    found = np.zeros((len(grid.labelled), len(grid.unlabelled), len(grid.unlabelled)))
    places = [(known.l, grid.labelled), (known.other_u, grid.unlabelled), (known.u, grid.unlabelled)]
    known = known[np.all([np.isin(values, levels) for values, levels in places], axis=0)]
    at = [np.searchsorted(levels, known[name]) for name, (_, levels) in zip(("l", "other_u", "u"), places, strict=True)]
    found[tuple(at)] = known[metric]
    return found


def _where(grid: Grid, row: dict) -> str:
    return f"With {count(row['n_labelled'])} labels" + (f" ({grid.title})" if grid.title else "")


def _sentence(grid: Grid, row: dict, found: Plateau, us: np.ndarray, counts: np.ndarray, delta: float) -> str:
    if not found.n_seeds:
        return f"{_where(grid, row)}: no plateau can be looked for, two amounts have no seed in common."
    kind = evidence(found.n_seeds)
    last = f"from {count(counts[-2])} to {count(counts[-1])} unlabelled images"
    if not np.isfinite(found.last_gain_high):
        why = "too few seeds for more" if found.n_seeds < MIN_SEEDS else "alike in all seeds, so chance is not known"
        text = f"the step {last} changed the score by {points(found.last_gain, sign=True)}, {why}"
    elif found.index is not None:
        at = f"{count(counts[found.index])} unlabelled images ({fraction(us[found.index])})"
        if us[found.index] == 0:
            at = "an encoder that learned nothing" if grid.start == RANDOM else f"{grid.start} alone"
        text = f"beyond {at}, more of them are worth less than {points(delta)} up to {count(counts[-1])}"
    else:
        text = (
            f"no plateau is shown: the last step, {last}, gained {points(found.last_gain, sign=True)} and may have"
            f" gained up to {points(found.last_gain_high, sign=True)}"
        )
    if found.better_inside is not None:
        text += (
            f"; {count(counts[found.better_inside])} scored better than {count(counts[-1])},"
            f" by {points(found.inside_gain)}"
        )
    return f"{_where(grid, row)}, {text} ({kind})."
