"""How much data reaches a target accuracy: labelled for each u, unlabelled for each l."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from .checks import RANDOM, SUPERVISED, check_number
from .curves import amount_for, last_doubling, monotone
from .grids import Grid, complete, each_label, grids
from .intervals import draw_means, quantile
from .words import about, count, evidence, fraction

__all__ = ["data_needed"]

ASSURANCE = 0.8
N_DRAWS = 500
REACH = 2.0  # times the largest amount of the grid, beyond which nothing is said
DAMPING = 0.8  # a further doubling brings this share of what the last one brought


def data_needed(cells: pd.DataFrame, targets: Sequence[float], *, extrapolate: bool = False) -> pd.DataFrame:
    """The least data that reaches each target test accuracy: a row a (target, encoder, method, given).

    With `given` `u` (or no pre-training) it is about l, with `given` `l` about u. `needed`, `n_needed` (images) and
    `accuracy`: the smallest of the grid whose mean reaches it, NaN if none does. Between fractions: `n_median`, the
    median over draws of the amount needed (interpolated on a log axis), and `n_assured`, 'enough with 80 %
    assurance' (their 80 % quantile; NaN below three seeds); infinite beyond the grid. With `extrapolate` (for grids
    whose surface passes the held-out check) up to twice the grid, where a doubling is taken to bring 0.8 of what the
    last one brought; such a median is `beyond`. `n_seeds`, `n_dropped`, `sentence`. Mahmood et al. 2022, How much
    more data do I need?

    Raises `ConfigError` for a target that is not between 0 and 1.
    """
    targets = [check_number("accuracy target", target, 0, 1, above=True) for target in targets]
    columns = ["target", "encoder", "method", "given", "value", "of", "needed", "n_needed", "accuracy"]
    columns += ["n_median", "n_assured", "beyond", "n_seeds", "n_dropped", "sentence"]
    if not targets:
        return pd.DataFrame(columns=columns)
    chance = _chance(cells)
    rows, done = [], set()
    for grid in grids(cells, "test_accuracy"):
        for key, curve in _curves(grid):
            if str(key) in done:  # the baseline and the control are shared by all methods of an encoder
                continue
            done.add(str(key))
            rows += _rows_of(key, curve, targets, chance, extrapolate)
    order, rising = ["target", "given", "encoder", "method", "value"], [True, False, True, True, True]
    return pd.DataFrame(rows, columns=columns).sort_values(order, ascending=rising, ignore_index=True)


def _chance(cells: pd.DataFrame) -> float:
    return 1 / cells.n_classes.max() if "n_classes" in cells and cells.n_classes.max() > 0 else np.nan


def _curves(grid: Grid) -> Iterator[tuple[tuple, tuple]]:
    """`(key, (amounts, scores [S, n], fractions))` along l for each u and the baseline, and along u for each l.

    Amounts are numbers of images; key is (encoder, method, given, value, of).
    """
    yield (grid.encoder, SUPERVISED, "u", np.nan, "l"), _along(grid.n_labelled, grid.baseline, grid.labelled)
    for j, u in enumerate(grid.unlabelled):
        method = RANDOM if u == 0 else grid.method
        yield (grid.encoder, method, "u", u, "l"), _along(grid.n_labelled, grid.scores[:, :, j], grid.labelled)
    if grid.method != RANDOM:
        for i, row in each_label(grid):
            along = _along(grid.n_unlabelled[i], grid.scores[:, i], grid.unlabelled)
            yield (grid.encoder, grid.method, "l", row["l"], "u"), along


def _along(amounts: np.ndarray, scores: np.ndarray, fractions: np.ndarray):
    measured = np.isfinite(scores).any(axis=0)
    return amounts[measured], scores[:, measured], fractions[measured]


def _rows_of(key: tuple, curve: tuple, targets: list[float], chance: float, extrapolate: bool) -> list[dict]:
    """The rows of one curve, a target each."""
    amounts, runs, fractions = curve
    whole = complete(runs) if runs.shape[1] else np.zeros(len(runs), bool)
    head = dict(zip(["encoder", "method", "given", "value", "of"], key, strict=True))
    head |= {"n_seeds": int(whole.sum()), "n_dropped": int((~whole).sum())}
    each = np.nanmean(runs, axis=0) if runs.shape[1] else np.array([])
    if whole.any():
        draws = draw_means(runs[whole], N_DRAWS)
        curves = draws if len(draws) else runs[whole].mean(axis=0, keepdims=True)
        found = _needed(amounts, curves, np.array(targets), extrapolate)
        medians = quantile(found, 0.5)
        assured = quantile(found, ASSURANCE) if len(draws) else np.full(len(targets), np.nan)
    rows = []
    for k, target in enumerate(targets):
        row = head | {"target": target, "beyond": False}
        reached = np.flatnonzero(each >= target - 1e-12)
        if len(reached):
            at = reached[0]
            row |= {"needed": fractions[at], "n_needed": amounts[at], "accuracy": each[at]}
        if whole.any():
            row |= {"n_median": float(medians[k]), "n_assured": float(assured[k])}
            row["beyond"] = bool(amounts[-1] < medians[k] < np.inf)
        rows.append(row | {"sentence": _sentence(row, amounts, each, chance, REACH if extrapolate else 1.0)})
    return rows


def _needed(amounts: np.ndarray, curves: np.ndarray, targets: np.ndarray, extrapolate: bool) -> np.ndarray:
    """The amount at which each of `curves` `[D, n]` reaches each target, `[D, T]`; infinite beyond `REACH`."""
    control = int(amounts[0] == 0)  # a 0 first
    positive, rising = amounts[control:], monotone(curves)
    from_start = rising[:, :1] >= targets
    if len(positive) == 0:
        return np.where(from_start, 0.0, np.inf)
    # below the smallest amount nothing is measured: it is enough
    wanted = np.broadcast_to(targets, (len(curves), len(targets)))
    found = np.maximum(amount_for(positive, rising[:, control:], wanted), positive[0])
    if control:
        found = np.where(from_start, 0.0, found)
    if extrapolate and len(positive) > 1:
        logs = np.log2(positive)
        doubling = np.maximum(DAMPING * last_doubling(logs, rising[:, control:]), 1e-12)
        ahead = logs[-1] + (targets - rising[:, -1:]) / doubling[:, None]
        within = np.isinf(found) & (ahead <= logs[-1] + np.log2(REACH))
        found = np.where(within, 2 ** np.minimum(ahead, logs[-1] + np.log2(REACH)), found)
    return found


def _sentence(row: dict, amounts: np.ndarray, means: np.ndarray, chance: float, reach: float) -> str:
    what = {"l": "labels", "u": "unlabelled images"}[row["of"]]
    if row["given"] == "l":
        given = f"{row['method']} with a labelled fraction of {fraction(row['value'])}"
    else:
        given = {SUPERVISED: "the supervised baseline", RANDOM: "a random encoder"}.get(
            row["method"], f"{row['method']} on {fraction(row['value'])} of the unlabelled images"
        )
    head = f"Accuracy {row['target']:g}, {given}"
    if not len(means):
        return f"{head}: unknown, no run finished."
    if row["target"] <= chance:
        return f"{head}: no answer, guessing is right {fraction(chance)} of the time."
    kind = evidence(row["n_seeds"])
    if not row["n_seeds"]:
        return f"{head}: unknown between the fractions, no seed has them all."
    if means.min() >= row["target"]:
        least = f"the least that was tried, {count(amounts[0])} {what}, is enough"
        return f"{head}: {least}; a target above {means.min():.3f} would tell more ({kind})."
    median, assured = row["n_median"], row["n_assured"]
    if np.isinf(median):
        best = f"the best mean is {means.max():.3f} with up to {count(amounts[-1])}"
        within = "within twice" if reach > 1 else "with"
        return f"{head}: not reached {within} the {what} that were tried ({best}; {kind})."
    sure = "" if np.isnan(assured) else f", {_or_more(assured, reach * amounts[-1])} for 80 % assurance"
    beyond = ", beyond what was measured" if row["beyond"] else ""
    return f"{head}: about {about(median)} {what}{beyond}{sure} ({kind})."


def _or_more(number: float, most: float) -> str:
    return about(number) if np.isfinite(number) else f"more than {count(most)}"
