"""How much data reaches a target accuracy: how many labels at each u, and how many unlabelled images at each l."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from ..study.names import RANDOM, SUPERVISED
from .curves import amount_bounds, amount_for, envelopes, last_doubling, mean_draws
from .intervals import MIN_SEEDS, quantile
from .score_grids import Grid, each_label, grids
from .table_checks import check_number
from .words import about, count, evidence, fraction

__all__ = ["data_needed"]

ASSURANCE = 0.8
SURE = "for at least 80 % assurance that the mean of many runs gets there"  # nothing is promised about a single run
ROUNDING = 1e-12  # of a mean of scores that equal the target
N_DRAWS = 500
REACH = 2.0  # nothing is said beyond so many times the largest amount of the grid
DAMPING = 0.8  # a further doubling is assumed to gain this share of what the last one gained


def data_needed(cells: pd.DataFrame, targets: Sequence[float], *, extrapolate: bool = False) -> pd.DataFrame:
    """The least data that reaches each target test accuracy: one row per (target, encoder, method, given).

    `given` says which amount is fixed, at `value`: `u` (NaN for the baseline), then the row is about labels; or `l`,
    then it is about unlabelled images.

    * `needed`, `n_needed` (images), `accuracy`: the smallest amount of the grid whose mean accuracy reaches the target,
      and that accuracy; NaN if none does. Chance may have lifted these means.
    * `n_mean`: where the curve through the means first reaches the target (PCHIP on a log axis); never above
      `n_needed`, infinite if the curve does not reach it. With `extrapolate` (for grids whose surface passes the
      held-out check) it may be up to twice the grid's largest amount, and `beyond` is then True; a doubling is assumed
      to gain 0.8 of what the last one gained.
    * `n_assured`: enough with 80 % assurance, that is, in at least 80 % of studies the true mean (over many runs, not
      of each run) reaches the target there. It is the 80 % quantile over draws of the upper `amount_bounds`; a jump
      between two levels may violate it. Never below `n_mean`, never extrapolated; infinite if the grid does not assure
      the target, NaN below three seeds.
    * `n_seeds`: the fewest runs that a mean rests on; `n_dropped`: the seeds that are missing there; `sentence`.

    Raises `ConfigError` for a target that is not between 0 and 1. Source: Mahmood et al. 2022, How much more data do I
    need?
    """
    targets = [check_number("accuracy target", target, 0, 1, above=True) for target in targets]
    columns = ["target", "encoder", "method", "given", "value", "of", "needed", "n_needed", "accuracy"]
    columns += ["n_mean", "n_assured", "beyond", "n_seeds", "n_dropped", "sentence"]
    if not targets:
        return pd.DataFrame(columns=columns)
    chance, n_test = _chance(cells), cells.n_test.max() if "n_test" in cells else np.nan
    rows, done = [], set()
    for grid in grids(cells, "test_accuracy"):
        for key, curve in _curves(grid):
            if str(key) in done:  # the baseline and the control are shared by all methods of an encoder
                continue
            done.add(str(key))
            rows += _rows_of(key, curve, targets, chance, extrapolate, n_test)
    order, rising = ["target", "given", "encoder", "method", "value"], [True, False, True, True, True]
    return pd.DataFrame(rows, columns=columns).sort_values(order, ascending=rising, ignore_index=True)


def _chance(cells: pd.DataFrame) -> float:
    return 1 / cells.n_classes.max() if "n_classes" in cells and cells.n_classes.max() > 0 else np.nan


def _curves(grid: Grid) -> Iterator[tuple[tuple, tuple]]:
    """Each curve of a grid as `(key, (amounts, scores [S, n], fractions))`.

    Curves run along l for the baseline and for each u, and along u for each l. Amounts are numbers of images; the key
    is (encoder, method, given, value, of).
    """
    yield (grid.encoder, SUPERVISED, "u", np.nan, "l"), _along(grid.n_labelled, grid.baseline, grid.labelled)
    for j, u in enumerate(grid.unlabelled):
        method = grid.start if u == 0 else grid.method
        yield (grid.encoder, method, "u", u, "l"), _along(grid.n_labelled, grid.scores[:, :, j], grid.labelled)
    if grid.method != grid.start:
        for i, row in each_label(grid):
            along = _along(grid.n_unlabelled[i], grid.scores[:, i], grid.unlabelled)
            yield (grid.encoder, grid.method, "l", row["l"], "u"), along


def _along(amounts: np.ndarray, scores: np.ndarray, fractions: np.ndarray):
    measured = np.isfinite(scores).any(axis=0)
    return amounts[measured], scores[:, measured], fractions[measured]


def _rows_of(
    key: tuple, curve: tuple, targets: list[float], chance: float, extrapolate: bool, n_test: float
) -> list[dict]:
    """The rows of one curve, one per target."""
    amounts, runs, fractions = curve
    n = np.isfinite(runs).sum(axis=0)
    n = n[n >= min(MIN_SEEDS, n.max())].min() if len(n) else 0
    head = dict(zip(["encoder", "method", "given", "value", "of"], key, strict=True))
    head |= {"n_seeds": int(n), "n_dropped": len(runs) - int(n), "beyond": False}
    means, wanted = np.array([]), np.array(targets) - ROUNDING
    if n:
        means = np.nanmean(runs, axis=0)
        mean = _needed(amounts, means, wanted, extrapolate)
        assured = np.maximum(_assured(amounts, runs, wanted, n_test), np.where(mean > amounts[-1], np.inf, mean))
    rows = []
    for k, target in enumerate(targets):
        row = head | {"target": target}
        reached = np.flatnonzero(means >= wanted[k])
        if len(reached):
            at = reached[0]
            row |= {"needed": fractions[at], "n_needed": amounts[at], "accuracy": means[at]}
        if n:
            row |= {"n_mean": mean[k], "n_assured": assured[k], "beyond": bool(amounts[-1] < mean[k] < np.inf)}
        rows.append(row | {"sentence": _sentence(row, amounts, means, chance, REACH if extrapolate else 1.0)})
    return rows


def _needed(amounts: np.ndarray, means: np.ndarray, targets: np.ndarray, extrapolate: bool) -> np.ndarray:
    """The amount at which the running maximum of the means reaches each target, `[T]`; infinite beyond `REACH`."""
    rising = np.maximum.accumulate(means)[None]
    found = _from_start(amounts, rising, targets, lambda *curve: (amount_for(*curve),))[0][0]
    logs = np.log2(amounts[amounts > 0])
    if extrapolate and len(logs) > 1:
        doubling = max(DAMPING * last_doubling(logs, rising[:, -len(logs) :])[0], 1e-12)
        ahead = (targets - rising[0, -1]) / doubling
        within = np.isinf(found) & (ahead <= np.log2(REACH))
        found[within] = 2 ** (logs[-1] + ahead[within])
    return found


def _assured(amounts: np.ndarray, runs: np.ndarray, targets: np.ndarray, n_test: float) -> np.ndarray:
    """The amount that is enough for each target with `ASSURANCE`, `[T]`.

    Infinite beyond the grid, NaN below three seeds. Levels with fewer than three runs are ignored. `n_test`: the number
    of test images (NaN: not known); their choice makes all accuracies of a curve too high, or all too low.
    """
    draws = mean_draws(runs, N_DRAWS)
    if not len(draws):
        return np.full(len(targets), np.nan)
    known = np.isfinite(draws[0]) & (np.nanstd(runs, axis=0) > 0)  # identical scores say nothing about chance
    if not known.any():
        return np.full(len(targets), np.nan)
    if n_test >= 1:
        by_images = np.sqrt(np.clip(draws * (1 - draws), 0, None) / n_test)
        draws = draws + by_images * np.random.default_rng(1).standard_normal((len(draws), 1))
    lowest = envelopes(draws[:, known])[1]  # so that a single lucky level assures nothing
    return quantile(_from_start(amounts[known], lowest, targets, amount_bounds)[-1], ASSURANCE)


def _from_start(amounts: np.ndarray, curves: np.ndarray, targets: np.ndarray, amounts_at: Callable) -> list[np.ndarray]:
    """What `amounts_at` (such as `amount_bounds`) finds for each of `curves` `[D, n]` and each target, `[D, T]`.

    If the smallest measured amount reaches a target already, that amount is the answer; it may be no image at all.
    """
    control = int(amounts[0] == 0)
    positive, reached = amounts[control:], curves[:, :1] >= targets
    if len(positive) == 0:
        return [np.where(reached, 0.0, np.inf)]
    wanted = np.broadcast_to(targets, reached.shape)
    found = amounts_at(positive, curves[:, control:], wanted)
    return [np.where(reached, amounts[0], np.maximum(part, positive[0])) for part in found]


def _sentence(row: dict, amounts: np.ndarray, means: np.ndarray, chance: float, reach: float) -> str:
    what = {"l": "labels", "u": "unlabelled images"}[row["of"]]
    if row["given"] == "l":
        given = f"{row['method']} with a labelled fraction of {fraction(row['value'])}"
    else:
        of_images = f"{row['method']} on {fraction(row['value'])} of the unlabelled images"
        usual = of_images if row["value"] else f"the existing net {row['method']}"
        given = {SUPERVISED: "the supervised baseline", RANDOM: "a random encoder"}.get(row["method"], usual)
    head = f"Accuracy {row['target']:g}, {given}"
    if not len(means):
        return f"{head}: unknown, no run finished."
    if row["target"] <= chance:
        return f"{head}: no answer, guessing is right {fraction(chance)} of the time."
    kind = evidence(row["n_seeds"])
    mean, assured = row["n_mean"], row["n_assured"]
    if np.isinf(mean):
        best = f"the highest mean is {means.max():.3f} with up to {count(amounts[-1])}"
        within = "within twice" if reach > 1 else "with"
        return f"{head}: not reached {within} the {what} that were tried ({best}; {kind})."
    if assured == amounts[0]:
        least = f"the least that was tried, {count(amounts[0])} {what}, is enough"
        return f"{head}: {least} {SURE}; a target above {means[0]:.3f} would tell more ({kind})."
    least = f"{count(amounts[0])} {what} by the mean, the least that was tried"
    about_it = least if mean == amounts[0] else f"about {about(mean)} {what}"
    beyond = ", beyond what was measured" if row["beyond"] else ""
    sure = "" if np.isnan(assured) else f", {_or_more(assured, amounts[-1])} {SURE}"
    return f"{head}: {about_it}{beyond}{sure} ({kind})."


def _or_more(number: float, most: float) -> str:
    return about(number) if np.isfinite(number) else f"more than {count(most)}"
