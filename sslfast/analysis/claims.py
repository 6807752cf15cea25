"""The claims of the original study, each marked held, did not hold, or not settled, with the evidence."""

import numpy as np
import pandas as pd

from .checks import RANDOM
from .contrasts import contrasts
from .grids import Grid, complete, grids
from .intervals import mean_interval
from .plateau import plateaus
from .times import first_reached
from .units import Unit, unit_of
from .words import count, evidence, points, range_of_points

__all__ = ["HELD", "NOT", "OPEN", "claims"]

HELD, NOT, OPEN = "held", "did not hold", "not settled"
SAME_TIME = 1.25  # ratio of wall-clocks within which they barely differ


def claims(
    cells: pd.DataFrame,
    history: pd.DataFrame | None = None,
    metric: str = "test_macro_f1",
    *,
    threshold: float = 0.4,
    threshold_metric: str = "macro_f1",
    delta: float = 0.015,
    alpha: float = 0.05,
    against: pd.DataFrame | None = None,
    flat: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A row an (encoder, method, claim) of the 2021 study: claim, outcome, evidence, n_seeds, n_dropped.

    A claim that something rises is one number a seed (paired over the whole grid): it held if its interval at
    1 − `alpha` lies above 0, did not hold if its upper limit is below `delta` (any rise is not worth having), else it
    is not settled. 'The baseline wins every row' and 'a plateau' are judged by `contrasts` and `plateaus`,
    with their corrections; the wall-clock barely differs if its ratio is within 0.8 to 1.25 (two one-sided tests).
    Each claim is tested at `alpha` by itself. Claims about time need `history`, else they are not settled. `against`
    and `flat` are the tables of `contrasts` and `plateaus`, where they are made already. The claims were made of an
    autoencoder: where there is a method of that name, no other is judged.
    """
    about = {"autoencoder"} & set(cells.method) or set(cells.method) - {RANDOM}
    against = contrasts(cells, metric, delta=delta, alpha=alpha) if against is None else against
    flat = plateaus(cells, metric, delta=delta, alpha=alpha) if flat is None else flat
    reached = None if history is None else first_reached(cells, history, threshold_metric, threshold)
    unit = unit_of(cells, history)
    rows = []
    for grid in grids(cells, metric):
        if grid.method not in about:
            continue
        found = {
            "the score rises with unlabelled data": _rises(grid, delta, alpha),
            "the gain from unlabelled data grows with labelled data": _grows(grid, delta, alpha),
            "time to the threshold falls with unlabelled and with labelled data": _falls(grid, reached, unit, alpha),
            "beyond some point more unlabelled data stops helping": _stops(_of(flat, grid)),
            "wall-clock barely differs between amounts of unlabelled data": _wall_clock(cells, grid, alpha),
            "the supervised baseline wins at every number of labels": _wins(_of(against, grid)),
        }
        for claim, (outcome, reason, n) in found.items():
            counts = {"n_seeds": n, "n_dropped": max(len(grid.seeds) - n, 0)}
            text = f"{reason} ({evidence(n)})"
            rows.append({**grid.key, "claim": claim, "outcome": outcome, "evidence": text, **counts})
    return pd.DataFrame(rows, columns=["encoder", "method", "claim", "outcome", "evidence", "n_seeds", "n_dropped"])


def _of(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    return table[(table.encoder == grid.encoder) & (table.method == grid.method)]


def _learned(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """`(scores [S, L, U], which l)` with u > 0, at the labelled fractions that have a run for every u."""
    scores = grid.scores[:, :, grid.unlabelled > 0]
    full = np.isfinite(scores).any(axis=0).all(axis=1)
    scores = scores[:, full]
    return scores[complete(scores)], full


def _verdict(values: np.ndarray, smallest: float, alpha: float, what: str) -> tuple[str, str, int]:
    found = mean_interval(values, 1 - alpha)
    text = f"{what} {points(found.mean, sign=True)}{range_of_points(found.low, found.high)}"
    outcome = HELD if found.low > 0 else NOT if found.high < smallest else OPEN
    return outcome, text, found.n


def _rises(grid: Grid, delta: float, alpha: float) -> tuple[str, str, int]:
    scores, _ = _learned(grid)
    if scores.shape[2] < 2 or not scores.size:
        return OPEN, "it takes two amounts of unlabelled data and a seed with every run", len(scores)
    gain = (scores[:, :, -1] - scores[:, :, 0]).mean(axis=1)
    return _verdict(gain, delta, alpha, "from the smallest to the largest amount, averaged over labels,")


def _grows(grid: Grid, delta: float, alpha: float) -> tuple[str, str, int]:
    scores, _ = _learned(grid)
    if min(scores.shape[1:]) < 2 or not scores.size:
        return OPEN, "it takes two amounts of both kinds of data and a seed with every run", len(scores)
    gain = scores[:, :, -1] - scores[:, :, 0]
    return _verdict(gain[:, -1] - gain[:, 0], delta, alpha, "gain at the most labels minus gain at the fewest")


def _falls(grid: Grid, reached: pd.DataFrame | None, unit: Unit, alpha: float) -> tuple[str, str, int]:
    """Training until the threshold, and no more than all runs got where it is not reached, as one number a cell."""
    if reached is None:
        return OPEN, "there is no history of the training", len(grid.seeds)
    rows = reached[(reached.encoder == grid.encoder) & (reached.method == grid.method)]
    budget = rows.loc[rows.status == "ok", f"last_{unit.column}"].min()
    if not np.isfinite(budget):
        return OPEN, "no run finished", 0
    if rows.reached_epoch.isna().all():
        return OPEN, "no run reached it", rows.seed.nunique()
    time = np.minimum(rows[f"reached_{unit.column}"].fillna(np.inf), budget)
    known = rows.assign(time=time).pivot_table(index="seed", columns=["l", "u"], values="time").dropna()
    labels, us = known.columns.unique("l"), known.columns.unique("u")
    if len(known.columns) < len(labels) * len(us) or min(len(labels), len(us)) < 2 or known.empty:
        return OPEN, "it takes two amounts of both kinds of data and a seed with every run", len(known)
    parts, outcomes = [], []
    for name, values in (("unlabelled", us), ("labelled", labels)):
        level = "u" if name == "unlabelled" else "l"
        mean = known.T.groupby(level=level).mean().T
        saved = mean_interval(mean[min(values)] - mean[max(values)], 1 - alpha)
        outcomes.append(HELD if saved.low > 0 else NOT if saved.high <= 0 else OPEN)
        form = f"+z,.{unit.decimals}f"
        interval = f" [{saved.low:{form}}, {saved.high:{form}}]" if np.isfinite(saved.low) else ""
        parts.append(f"{saved.mean:{form}} {unit.many}{interval} saved by the most {name} data")
    outcome = HELD if set(outcomes) == {HELD} else NOT if NOT in outcomes else OPEN
    never = int(rows.reached_epoch.isna().sum())
    parts += [f"{never} of {len(rows)} runs never got there"]
    parts += [f"never, or later than every run lasted, counts as {unit.said(budget)}"]
    return outcome, "; ".join(parts), len(known)


def _stops(rows: pd.DataFrame) -> tuple[str, str, int]:
    if rows.empty or rows.last_gain_high.isna().all():
        return OPEN, "too few seeds or amounts for the test", int(rows.n_seeds.max()) if len(rows) else 0
    shown, rising = rows[rows.shown.astype(bool)], rows[~rows.shown.astype(bool) & (rows.last_gain_low > 0)]
    outcome = HELD if len(shown) == len(rows) else NOT if len(rising) else OPEN
    at = " and ".join(f"{count(row.n_unlabelled)} with {count(row.n_labelled)} labels" for row in shown.itertuples())
    up = " and ".join(count(row.n_labelled) for row in rising.itertuples())
    parts = [f"a plateau is shown at {len(shown)} of {len(rows)} numbers of labels" + (f" (from {at})" if at else "")]
    parts += [f"the last step still gained with {up} labels"] if up else []
    return outcome, "; ".join(parts), int(rows.n_seeds.min())


def _wins(rows: pd.DataFrame) -> tuple[str, str, int]:
    rows = rows[rows.primary & (rows.n_seeds > 0)]
    if rows.empty:
        return OPEN, "no seed has both runs", 0
    worse, better, length = ((rows.outcome == name).sum() for name in ("worse", "better", "length"))
    outcome = HELD if worse == len(rows) else NOT if better else OPEN
    gaps = ", ".join(
        f"{points(-row.difference, sign=True)} with {count(row.n_labelled)} labels" for row in rows.itertuples()
    )
    text = f"ahead at {worse} of {len(rows)}, behind at {better}, by Holm's test; its lead is {gaps}"
    text += f"; at {length} it still depends on how long one trains" if length else ""
    return outcome, text, int(rows.n_seeds.min())


def _wall_clock(cells: pd.DataFrame, grid: Grid, alpha: float) -> tuple[str, str, int]:
    rows = cells[(cells.encoder == grid.encoder) & (cells.method == grid.method) & (cells.status == "ok")]
    if not {"seconds_pretrain", "seconds_classify"} <= set(rows) or rows.u.nunique() < 2:
        return OPEN, "it takes seconds of both phases at two amounts of unlabelled data", rows.seed.nunique()
    seconds = rows.assign(log=np.log((rows.seconds_pretrain + rows.seconds_classify).clip(lower=1e-9)))
    table = seconds.pivot_table(index="seed", columns=["l", "u"], values="log").dropna()
    if table.empty or rows.empty:
        return OPEN, "no seed has every run", 0
    mean = table.T.groupby(level="u").mean().T
    ratio = (mean[mean.columns.max()] - mean[mean.columns.min()]).to_numpy()
    tost, outside = mean_interval(ratio, 1 - 2 * alpha), mean_interval(ratio, 1 - alpha)
    limit = np.log(SAME_TIME)
    outcome = HELD if -limit < tost.low and tost.high < limit else OPEN
    outcome = NOT if outside.low > limit or outside.high < -limit else outcome
    interval = f" [{np.exp(outside.low):.3g}, {np.exp(outside.high):.3g}]" if np.isfinite(outside.low) else ""
    takes = f"{np.exp(outside.mean):.3g}{interval} times as long as one with the least"
    return outcome, f"a cell with the most takes {takes}, pre-training included", len(table)
