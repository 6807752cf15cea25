"""The claims of the original study, each judged as held, did not hold, or not settled, with the evidence."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from ..study.names import RANDOM
from .base_nets import frozen_nets
from .comparisons import ALPHA, DELTA
from .contrasts import contrasts
from .intervals import MIN_SEEDS, mean_intervals
from .plateau import plateaus
from .score_grids import Grid, complete, grids
from .times import first_reached
from .units import Unit, unit_of
from .verdict import unsure_ways
from .words import count, evidence, fraction, points

__all__ = ["HELD", "NOT", "OPEN", "claims"]

HELD, NOT, OPEN = "held", "did not hold", "not settled"
SAME_TIME = 1.25  # two times barely differ if their ratio is at most this
ROUNDING = 1e-9  # a standard error below this is the rounding of identical scores
RISES = "the score rises with unlabelled data"
GROWS = "the gain from unlabelled data grows with labelled data"
STOPS = "beyond some point more unlabelled data stops helping"
OF_SCORES = (RISES, GROWS, STOPS)
LENGTH = "still depend on how long one trains"
BESIDE = "but not certain enough with one error rate for all claims together"
# How a claim is judged: a function from an error rate to (outcome, evidence), or a text on why it cannot be judged; and
# the number of seeds that it rests on.
Judged = tuple[Callable[[float], tuple[str, str]] | str, int]


def claims(
    cells: pd.DataFrame,
    history: pd.DataFrame | None = None,
    metric: str = "test_macro_f1",
    *,
    threshold: float = 0.4,
    threshold_metric: str = "macro_f1",
    delta: float = DELTA,
    alpha: float = ALPHA,
    against: pd.DataFrame | None = None,
    flat: pd.DataFrame | None = None,
    image_noise: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per (encoder, method, claim) of the 2021 study: claim, outcome, evidence, n_seeds, n_dropped.

    All claims that the design of a study can decide are one family. Each is judged at `alpha` divided by their number,
    so at most a share `alpha` of studies decides any claim wrongly, in either direction (Bonferroni). How each is
    judged:

    * 'Rises', 'grows', 'falls': a monotone trend (see `_rising`).
    * 'The baseline wins' and 'a plateau': the verdicts of `contrasts` and `plateaus` at every number of labels, which
      must also hold at this error rate. A plateau may lie beyond the amounts that were tried, so that claim is never
      refuted. A study with one number of labels cannot show 'at every number of labels'.
    * 'Wall-clock barely differs': held if each two amounts are shown to have a ratio of times within 0.8 to 1.25;
      refuted if some two are shown not to.

    Claims about the time to the threshold need `history`, else they are not settled. `against`, `flat`: the tables of
    `contrasts` and `plateaus`, if they exist already. The original claims are about an autoencoder: if `cells` has a
    method of that name, only that method is judged.
    """
    about = {"autoencoder"} & set(cells.method) or set(cells.method) - {RANDOM, *frozen_nets(cells)}
    against = contrasts(cells, metric, delta=delta, alpha=alpha) if against is None else against
    noise = {"image_noise": image_noise}
    flat = plateaus(cells, metric, delta=delta, alpha=alpha, **noise) if flat is None else flat
    reached = None if history is None else first_reached(cells, history, threshold_metric, threshold)
    unit, unsure = unit_of(cells, history), unsure_ways(against)
    found = []
    for grid in grids(cells, metric):
        if grid.method not in about:
            continue
        own = cells[(cells.encoder == grid.encoder) & cells.method.isin([grid.method, grid.start])]

        def flatter(error: float, own=own) -> pd.DataFrame:
            return plateaus(own, metric, delta=delta, alpha=error, **noise)

        judged = {
            RISES: _rises(grid, delta),
            GROWS: _grows(grid, delta),
            "time to the threshold falls with unlabelled and with labelled data": _falls(grid, reached, unit),
            STOPS: _stops(_of(flat, grid), alpha, flatter),
            "wall-clock barely differs between amounts of unlabelled data": _wall_clock(own, grid),
            "the supervised baseline wins at every number of labels": _wins(_of(against, grid)),
        }
        if (grid.encoder, grid.method) in unsure:  # nothing is concluded from scores that depend on the training length
            judged |= {claim: (f"scores {LENGTH}", judged[claim][1]) for claim in OF_SCORES}
        found += [(grid, claim, *how) for claim, how in judged.items()]
    error = alpha / max(sum(callable(how) for _, _, how, _ in found), 1)
    rows = []
    for grid, claim, how, n in found:
        outcome, reason = how(error) if callable(how) else (OPEN, how)
        counts = {"n_seeds": n, "n_dropped": max(len(grid.seeds) - n, 0)}
        rows.append({**grid.key, "claim": claim, "outcome": outcome, "evidence": f"{reason} ({evidence(n)})", **counts})
    return pd.DataFrame(rows, columns=["encoder", "method", "claim", "outcome", "evidence", "n_seeds", "n_dropped"])


def _of(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    return table[(table.encoder == grid.encoder) & (table.method == grid.method)]


def _rising(
    values: np.ndarray, margin: float | np.ndarray, error: float, sharing: int = 1
) -> tuple[str, tuple[int, int] | None]:
    """Whether the true means of `values` `[S, K]` (S seeds) rise along K; wrong in at most a share `error` of studies.

    Held: the last mean is above the first, and no later mean lies `margin` or more below an earlier one. Each part is
    tested at `error`, and all have to pass (an intersection-union test). Did not hold: a step down is shown, or the
    rise from first to last is shown to be less than `margin`. These tests share `error`, also with those of the other
    trends of the same claim (`sharing` trends in all). `margin`: one number, or one per seed, `[S]`.

    Returns the outcome, and the indices of the step down if one is shown.
    """
    k = values.shape[1]
    margin = np.broadcast_to(margin, len(values))[:, None]
    total, steps = values[:, [-1]] - values[:, [0]], np.diff(values)
    later = np.stack([values[:, b] - values[:, a] for a, b in combinations(range(k), 2)], axis=1)
    shared = error / sharing / (k if k > 2 else 1)  # with two values, the only step is the whole rise
    down = _limits(-steps, shared)[0]
    if (down > 0).any() and k > 2:
        at = int(np.argmax(down))
        return NOT, (at, at + 1)
    if (_limits(np.concatenate([total, later + margin], axis=1), error)[0] > 0).all():
        return HELD, None
    return (NOT if (_limits(margin - total, shared)[0] > 0).all() else OPEN), None


def _limits(values: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray]:
    """One-sided lower and upper limits of the means of `values` `[S, K]`, each at `error`; NaN below three seeds."""
    n = len(values)
    se = np.maximum(values.std(axis=0, ddof=1) / np.sqrt(n), ROUNDING) if n > 1 else np.full(values.shape[1], np.nan)
    return mean_intervals(values.mean(axis=0), se, n, 1 - 2 * error)


def _interval(low: float, high: float, form: str, error: float) -> str:
    """` [1.1, 3.0] (98.3 %)`: an interval with its level; empty if there is no interval."""
    return f" [{low:{form}}, {high:{form}}] ({100 * (1 - 2 * error):.3g} %)" if np.isfinite(low) else ""


def _learned(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """`(scores [S, L, U], which l)` of pre-trained encoders (u > 0), at the fractions l with runs for every u.

    If a seed lacks a run at some l, all scores of that seed and l are NaN. Seeds without any score are left out.
    """
    scores = grid.scores[:, :, grid.unlabelled > 0]
    full = np.isfinite(scores).any(axis=0).all(axis=1)
    scores = scores[:, full]
    scores = np.where(np.isfinite(scores).all(axis=2, keepdims=True), scores, np.nan)
    return scores[np.isfinite(scores).any(axis=(1, 2))], full


def _monotone(values: np.ndarray, delta: float, what: str, at: Sequence[str], error: float) -> tuple[str, str]:
    """Outcome and evidence of the claim that `values` `[S, K]` (scores, or differences of scores) rise along `at`."""
    total = values[:, [-1]] - values[:, [0]]
    if len(values) >= MIN_SEEDS and np.ptp(total) == 0:
        return OPEN, f"{what} {points(total.mean(), sign=True)}, the same in all seeds, so chance is not known"
    outcome, down = _rising(values, delta, error)
    (low,), (high,) = _limits(total, error)
    text = f"{what} {points(total.mean(), sign=True)}{_interval(100 * low, 100 * high, '+z.1f', error)}"
    if down:
        fall = (values[:, down[0]] - values[:, down[1]]).mean()
        text += f", but from {at[down[0]]} to {at[down[1]]} it falls by {points(fall)}"
    elif outcome == NOT:
        text += f", which is less than {points(delta)}"
    elif outcome == HELD and len(at) > 2:
        text += f", and no larger amount is {points(delta)} below a smaller one"
    elif outcome == OPEN and low > 0:
        text += f", but that no larger amount is {points(delta)} below a smaller one is not shown"
    return outcome, text


def _rises(grid: Grid, delta: float) -> Judged:
    scores, _ = _learned(grid)
    if scores.shape[2] < 2 or not scores.size:
        return "it takes two amounts of unlabelled data and a seed with every run", len(scores)
    at = [f"{fraction(u)} of it" for u in grid.unlabelled[grid.unlabelled > 0]]
    what = "from the smallest to the largest amount, averaged over labels,"
    each = np.nanmean(scores, axis=1)  # one curve per seed, averaged over the same numbers of labels at each amount
    return lambda error: _monotone(each, delta, what, at, error), len(each)


def _grows(grid: Grid, delta: float) -> Judged:
    scores, full = _learned(grid)
    if min(scores.shape[1:]) < 2 or not scores.size:
        return "it takes two amounts of both kinds of data and a seed with every run", len(scores)
    scores = scores[complete(scores)]  # amounts of labels are compared within a seed
    if not scores.size:
        return "no seed has every run", 0
    gain = scores[:, :, -1] - scores[:, :, 0]
    at = [f"{count(n)} labels" for n in grid.n_labelled[full]]
    what = "gain at the most labels minus gain at the fewest"
    return lambda error: _monotone(gain, delta, what, at, error), len(scores)


def _falls(grid: Grid, reached: pd.DataFrame | None, unit: Unit) -> Judged:
    """Judged by the training that each cell needs to reach the threshold.

    A cell that does not reach it, or only after the shortest run has ended, counts with the length of that run.
    """
    if reached is None:
        return "there is no history of the training", len(grid.seeds)
    rows = reached[(reached.encoder == grid.encoder) & (reached.method == grid.method)]
    budget = rows.loc[rows.status == "ok", f"last_{unit.column}"].min()
    if not np.isfinite(budget):
        return "no run finished", 0
    if rows.reached_epoch.isna().all():
        return "no run reached it", rows.seed.nunique()
    time = np.minimum(rows[f"reached_{unit.column}"].fillna(np.inf), budget)
    known = rows.assign(time=time).pivot_table(index="seed", columns=["l", "u"], values="time").dropna()
    labels, us = known.columns.unique("l"), known.columns.unique("u")
    if len(known.columns) < len(labels) * len(us) or min(len(labels), len(us)) < 2 or known.empty:
        return "it takes two amounts of both kinds of data and a seed with every run", len(known)
    told = f"{int(rows.reached_epoch.isna().sum())} of {len(rows)} runs never got there"
    told += f"; never, or later than every run lasted, counts as {unit.said(budget)}"
    hides = bool((rows[f"reached_{unit.column}"].fillna(np.inf) > budget).any())
    means = {
        name: known.T.groupby(level=level).mean().T.sort_index(axis=1).to_numpy()
        for name, level in (("unlabelled", "u"), ("labelled", "l"))
    }
    return lambda error: _faster(means, hides, told, unit, error), len(known)


def _faster(means: dict[str, np.ndarray], hides: bool, told: str, unit: Unit, error: float) -> tuple[str, str]:
    """Outcome and evidence of the claim that the times in `means` `[S, K]` fall along both kinds of data.

    The smallest saving that counts is a fifth of the time with the least data. `hides`: some run reached the threshold
    after the shortest run had ended, or never (`told` says so in words). Then a larger saving may be hidden, so a small
    one refutes nothing.
    """
    parts, outcomes = [], []
    for name, time in means.items():
        outcome, down = _rising(-time, (1 - 1 / SAME_TIME) * time[:, 0], error, sharing=len(means))
        hidden = outcome == NOT and not down and hides and time[:, 0].mean() >= time[:, -1].mean()
        outcomes.append(OPEN if hidden else outcome)
        saved = time[:, [0]] - time[:, [-1]]
        (low,), (high,) = _limits(saved, error)
        form = f"+z,.{unit.decimals}f"
        interval = _interval(low, high, form, error)
        parts.append(f"{saved.mean():{form}} {unit.many}{interval} saved by the most {name} data")
        parts += [f"but one of the steps to more {name} data takes longer"] if down else []
    outcome = HELD if set(outcomes) == {HELD} else NOT if NOT in outcomes else OPEN
    return outcome, "; ".join([*parts, told])


def _stops(rows: pd.DataFrame, alpha: float, flatter: Callable[[float], pd.DataFrame]) -> Judged:
    """Judged by the plateaus of the table, `rows`. `flatter`: the plateaus of this grid at another error rate."""
    if rows.empty or rows.last_gain_high.isna().all():
        return "too few seeds or amounts for the test", int(rows.n_seeds.max()) if len(rows) else 0

    def judge(error: float) -> tuple[str, str]:
        shown = rows[rows.shown.astype(bool)]
        at = [f"{count(row.n_unlabelled)} with {count(row.n_labelled)} labels" for row in shown.itertuples()]
        text = f"a plateau is shown at {len(shown)} of {_numbers_of_labels(rows)}"
        text += f" (from {' and '.join(at)})" if at else ""
        if len(shown) < len(rows):
            return OPEN, f"{text}; elsewhere not decidable here: it may come beyond what was tried"
        # the claim is wrong if any number of labels has no plateau, so each is tested at the full `error`
        if error * len(rows) < alpha and not _of_all(flatter(error * len(rows)).shown):
            return OPEN, f"{text}, {BESIDE}"
        return HELD, text

    return judge, int(rows.n_seeds.min())


def _wins(rows: pd.DataFrame) -> Judged:
    rows = rows[rows.primary & (rows.n_seeds > 0)]
    if rows.empty:
        return "no seed has both runs", 0
    worse, better, length = (rows.outcome == name for name in ("worse", "better", "length"))
    gaps = ", ".join(
        f"{points(-row.difference, sign=True)} with {count(row.n_labelled)} labels" for row in rows.itertuples()
    )
    text = f"ahead at {worse.sum()} of {_numbers_of_labels(rows)}, behind at {better.sum()}; its lead is {gaps}"
    text += f"; at {length.sum()} it still depends on how long one trains" if length.any() else ""

    def judge(error: float) -> tuple[str, str]:
        p = rows.p / 2  # one-sided, on the side of the difference
        if (better & (p * len(rows) < error)).any():
            return NOT, text
        if len(rows) == 1:
            return OPEN, f"{text}; a study with one number of labels cannot show it for every number"
        if worse.all() and (p < error).all():
            return HELD, text
        return OPEN, f"{text}, {BESIDE}" if worse.all() or better.any() else text

    return judge, int(rows.n_seeds.min())


def _wall_clock(own: pd.DataFrame, grid: Grid) -> Judged:
    rows = own[(own.method == grid.method) & (own.status == "ok")]
    if not {"seconds_pretrain", "seconds_classify"} <= set(rows) or rows.u.nunique() < 2:
        return "it takes seconds of both phases at two amounts of unlabelled data", rows.seed.nunique()
    seconds = rows.assign(log=np.log((rows.seconds_pretrain + rows.seconds_classify).clip(lower=1e-9)))
    table = seconds.pivot_table(index="seed", columns=["l", "u"], values="log").dropna()
    if table.empty or rows.empty:
        return "no seed has every run", 0
    mean = table.T.groupby(level="u").mean().T.sort_index(axis=1).to_numpy()
    pairs = list(combinations(range(mean.shape[1]), 2))
    ratios = np.stack([mean[:, b] - mean[:, a] for a, b in pairs], axis=1)
    ratios = ratios[:, np.argsort([a - b for a, b in pairs], kind="stable")]  # first: the most against the least

    def judge(error: float) -> tuple[str, str]:
        limit = np.log(SAME_TIME)
        low, high = _limits(ratios, error)
        outcome = HELD if (-limit < low).all() and (high < limit).all() else OPEN
        least, most = _limits(ratios, error / len(pairs))  # divided, since any pair can refute the claim
        outcome = NOT if (least > limit).any() or (most < -limit).any() else outcome
        interval = _interval(np.exp(low[0]), np.exp(high[0]), ".3g", error)
        takes = f"{np.exp(ratios[:, 0].mean()):.3g}{interval} times as long as one with the least"
        return outcome, f"a cell with the most takes {takes}, pre-training included"

    return judge, len(table)


def _numbers_of_labels(rows: pd.DataFrame) -> str:
    return f"{len(rows)} number{'s' * (len(rows) > 1)} of labels"


def _of_all(shown: pd.Series) -> bool:
    return len(shown) > 0 and bool(shown.astype(bool).all())
