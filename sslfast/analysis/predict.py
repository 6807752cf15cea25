"""What more data would gain, beyond what was measured: four simple predictors, none of them trusted alone."""

import numpy as np

from .curves import last_doubling
from .grids import Grid
from .surface import FORMS, MIN_LEVELS, fit_surface, held_out_error

__all__ = ["PREDICTORS", "gains"]

PREDICTORS = ("surface", "window", "last doubling", "damped doubling")
WINDOW = 3  # largest levels of l and of u in the second surface
DAMPING = 0.8  # each further doubling brings this share of the one before


def gains(grid: Grid, i: np.ndarray, j: np.ndarray, draws: np.ndarray, along: str, factor: float) -> np.ndarray | None:
    """Gain in score of `factor` times the labels (`along` `l`) or unlabelled images (`u`) over the largest amounts.

    `draws` `[D, n]`: mean scores at the cells with indices `i`, `j` (`[n]`) of `grid`, all with u > 0. Returns
    `[predictors, D]`: the surface with the smaller held-out error (from four levels of each amount), the same form on
    the three largest levels of each (from three), the slope over the last doubling, and that slope damped by 0.8
    for each further doubling. None where there are fewer than two levels of the amount.
    """
    n_l, n_u = grid.n_labelled[i], grid.n_unlabelled[i, j]
    top = (i == i.max()) & (j == j.max())
    line = i == i.max() if along == "u" else j == j.max()
    amounts = (n_u if along == "u" else n_l)[line]
    if len(amounts) < 2 or not top.any():
        return None
    levels_l, levels_u = np.unique(i), np.unique(j)
    found = []
    form, mean = "additive", draws.mean(axis=0)
    if min(len(levels_l), len(levels_u)) >= MIN_LEVELS:
        form = min(FORMS, key=lambda f: max(held_out_error(n_l, n_u, mean, f, by) for by in (i, j)))
        found.append(_of_surface(n_l, n_u, draws, top, along, factor, form))
    if min(len(levels_l), len(levels_u)) >= WINDOW:
        near = np.isin(i, levels_l[-WINDOW:]) & np.isin(j, levels_u[-WINDOW:])
        found.append(_of_surface(n_l[near], n_u[near], draws[:, near], top[near], along, factor, form))
    order = np.argsort(amounts)
    slope = last_doubling(np.log2(amounts[order]), draws[:, line][:, order])
    doublings = np.log2(factor)
    found.append(slope * doublings)
    found.append(slope * DAMPING * (1 - DAMPING**doublings) / (1 - DAMPING))
    return np.array(found)


def _of_surface(n_l, n_u, draws, top, along: str, factor: float, form: str) -> np.ndarray:
    fit = fit_surface(n_l, n_u, draws.T, form)
    l, u = n_l[top][0], n_u[top][0]  # noqa: E741
    more = (l * factor, u) if along == "l" else (l, u * factor)
    return fit.scores(*more) - fit.scores(l, u)
