"""Error as a function of both amounts of data, and whether the fit may be trusted beyond what was measured."""

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from .base_nets import frozen_nets
from .comparisons import DELTA
from .score_grids import Grid, complete, grids
from .words import evidence, points

__all__ = ["FORMS", "Surface", "fit_surface", "held_out_error", "surface_points", "surfaces", "why_no_fit"]

EXPONENTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
MIN_LEVELS = 4


@dataclass(frozen=True)
class Surface:
    """`form`, fitted to D sets of scores at once: `coefficients` `[p, D]`, exponents `alpha` and `beta` `[D]`.

    Amounts are divided by the largest of the fit, `l_unit` and `u_unit` images, so coefficients are errors at these.
    """

    form: str
    coefficients: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    l_unit: float
    u_unit: float

    def scores(self, n_labelled: float, n_unlabelled: float) -> np.ndarray:
        """The predicted scores at these numbers of images, `[D]`."""
        columns = FORMS[self.form](n_labelled / self.l_unit, n_unlabelled / self.u_unit, self.alpha, self.beta)
        return 1 - sum(b * column for b, column in zip(self.coefficients, columns, strict=True))


def _additive(l, u, alpha, beta):  # noqa: E741
    """error = E + A·l^−α + B·u^−β"""
    return np.ones_like(l + alpha), l**-alpha, u**-beta


def _product(l, u, alpha, beta):  # noqa: E741
    """error = A·l^−α (1 + κ·u^−β), linear in A and Aκ"""
    return l**-alpha, l**-alpha * u**-beta


FORMS = {"additive": _additive, "product": _product}


def fit_surface(
    n_labelled: np.ndarray, n_unlabelled: np.ndarray, scores: np.ndarray, form: str = "additive"
) -> Surface:
    """The least-squares fit of `form` to `scores` `[n, D]` (each column by itself) at n pairs of amounts (images, > 0).

    Exponents come from a grid; coefficients are 0 or more, since data is assumed never to hurt. For each pair of
    exponents the non-negative fit is exact: it is the best among the unconstrained fits to subsets of the two or three
    columns whose coefficients come out non-negative. A grid with linear least squares avoids the local minima that made
    published fits look too certain (Besiroglu et al. 2024).

    Source: joint power laws of Hestness et al. 2017; Rosenfeld et al. 2020, A constructive prediction of the
    generalization error across scales; Hoffmann et al. 2022.
    """
    l_unit, u_unit = float(np.max(n_labelled)), float(np.max(n_unlabelled))
    pairs = np.array(list(product(EXPONENTS, EXPONENTS)))
    columns = FORMS[form](n_labelled / l_unit, n_unlabelled / u_unit, pairs[:, :1], pairs[:, 1:])
    design = np.stack(np.broadcast_arrays(*columns), axis=1)  # [pairs, columns, n]
    errors = 1 - scores
    gram, moments = design @ design.transpose(0, 2, 1), design @ errors
    n_columns, n_sets = design.shape[1], scores.shape[1]
    least = np.full(n_sets, np.inf)
    coefficients, chosen = np.zeros((n_columns, n_sets)), np.zeros(n_sets, int)
    here = np.arange(n_sets)
    for size in range(1, n_columns + 1):
        for subset in combinations(range(n_columns), size):
            part = gram[:, subset][:, :, subset]
            solved = np.linalg.pinv(part, rcond=1e-10, hermitian=True) @ moments[:, subset]  # [pairs, size, D]
            left = -(moments[:, subset] * solved).sum(axis=1)  # the sum of squares, less a constant
            left[(solved < 0).any(axis=1)] = np.inf
            best = left.argmin(axis=0)
            better = left[best, here] < least
            least = np.where(better, left[best, here], least)
            chosen = np.where(better, best, chosen)
            fitted = np.zeros((n_columns, n_sets))
            fitted[list(subset)] = solved[best, :, here].T
            coefficients = np.where(better, fitted, coefficients)
    return Surface(form, coefficients, pairs[chosen, 0], pairs[chosen, 1], l_unit, u_unit)


def surface_points(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """The n measured cells with u > 0: `(i [n], j [n], scores [S, n], which seeds)`, with indices i of l and j of u.

    A cell without any run is not counted. Only seeds that have all n cells are used; None if there is no such seed.
    """
    measured = np.isfinite(grid.scores).any(axis=0) & (grid.unlabelled > 0)
    i, j = np.nonzero(measured)
    scores = grid.scores[:, i, j]
    whole = complete(scores)
    return (i, j, scores[whole], whole) if whole.any() and len(i) else None


def held_out_error(n_labelled, n_unlabelled, scores: np.ndarray, form: str, by: np.ndarray) -> float:
    """Root mean squared error of a fit to all but the largest level of `by` `[n]`, at that level; `scores` `[n]`."""
    out = by == by.max()
    fit = fit_surface(n_labelled[~out], n_unlabelled[~out], scores[~out, None], form)
    predicted = [fit.scores(*amounts)[0] for amounts in zip(n_labelled[out], n_unlabelled[out], strict=True)]
    return float(np.sqrt(np.mean((np.array(predicted) - scores[out]) ** 2)))


def surfaces(cells: pd.DataFrame, metric: str = "test_accuracy", *, delta: float = DELTA) -> pd.DataFrame:
    """Both forms fitted to the mean scores of each (encoder, method): one row per form.

    `E`, `A`, `alpha`, `B`, `beta` (product: `A`, `alpha`, `kappa`, `beta`), with amounts as shares of the largest;
    `rmse` of the fit; `held_out_l`, `held_out_u`: the error at the largest l, or u, of a fit without it; `chosen`: the
    form whose larger held-out error is smaller; `extrapolate`: whether that error is at most `delta`; `n_seeds`,
    `n_dropped`; `sentence`. A grid with fewer than four levels of l or u is not fitted: it has one row, which is
    chosen, and whose sentence says why.
    """
    rows = []
    frozen = frozen_nets(cells)
    for grid in (grid for grid in grids(cells, metric) if grid.method not in frozen):
        rows += _rows_of(grid, delta)
    columns = ["encoder", "method", "form", "chosen", "extrapolate", "E", "A", "alpha", "B", "kappa", "beta", "rmse"]
    columns += ["held_out_l", "held_out_u", "n_seeds", "n_dropped", "sentence"]
    return pd.DataFrame(rows, columns=columns)


def why_no_fit(grid: Grid) -> str | None:
    """Why no surface can be fitted to a grid; None if one can."""
    points = surface_points(grid)
    if points is None:
        return "no seed has every cell"
    i, j, _, _ = points
    n_l, n_u = len(np.unique(i)), len(np.unique(j))
    if min(n_l, n_u) < MIN_LEVELS:
        return f"{n_l} labelled and {n_u} unlabelled fractions above 0, where a fit takes {MIN_LEVELS} of each"
    return None


def _rows_of(grid: Grid, delta: float) -> list[dict]:
    prefix = f"{grid.title}: " if grid.title else ""
    why, used = why_no_fit(grid), surface_points(grid)
    if used is None or why:
        n = int(used[3].sum()) if used else 0
        empty = {**grid.key, "chosen": True, "extrapolate": False, "n_seeds": n, "n_dropped": len(grid.seeds) - n}
        return [empty | {"sentence": f"{prefix}No surface: {why}. Do not extrapolate."}]
    i, j, scores, whole = used
    mean, n_l, n_u = scores.mean(axis=0), grid.n_labelled[i], grid.n_unlabelled[i, j]
    rows = []
    for form in FORMS:
        fit = fit_surface(n_l, n_u, mean[:, None], form)
        first, *rest = fit.coefficients[:, 0]
        named = {"E": first, "A": rest[0], "B": rest[1]} if form == "additive" else {"A": first}
        if form == "product" and first > 0:
            named["kappa"] = rest[0] / first
        fitted = np.array([fit.scores(*amounts)[0] for amounts in zip(n_l, n_u, strict=True)])
        rows.append(
            {**grid.key, "form": form, **named, "alpha": fit.alpha[0], "beta": fit.beta[0]}
            | {"rmse": float(np.sqrt(np.mean((fitted - mean) ** 2)))}
            | {"held_out_l": held_out_error(n_l, n_u, mean, form, i), "n_seeds": int(whole.sum())}
            | {"held_out_u": held_out_error(n_l, n_u, mean, form, j), "n_dropped": int((~whole).sum())}
        )
    worst = [max(row["held_out_l"], row["held_out_u"]) for row in rows]
    for number, row in enumerate(rows):
        trusted = worst[number] <= delta
        row |= {"chosen": number == int(np.argmin(worst)), "extrapolate": trusted}
        verdict = "a modest step beyond the grid may be predicted" if trusted else "do not extrapolate"
        within = f"The {row['form']} surface predicts held-out scores within {points(worst[number])}"
        row["sentence"] = f"{prefix}{within}: {verdict} ({evidence(row['n_seeds'])})."
    return rows
