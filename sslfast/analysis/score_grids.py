"""From a table of cells to arrays: the scores of one way of pre-training, seed by seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..study.names import RANDOM, SUPERVISED
from .base_nets import frozen_nets, starts
from .table_checks import check_metric

__all__ = ["Grid", "complete", "each_label", "grids"]


@dataclass(frozen=True)
class Grid:
    """The scores of one (encoder, method), and of the baseline with the same encoder.

    `scores` `[S, L, U]` and `baseline` `[S, L]`: 0 to 1, NaN for a run without a result. `seeds` `[S]`. `labelled`
    `[L]` and `unlabelled` `[U]`: increasing fractions; if the first of `unlabelled` is 0, it is `start`: the random
    control, the existing net that the method went on from, or the method itself where it is such a net. `n_labelled`
    `[L]` and `n_unlabelled` `[L, U]`: numbers of images. `title`: the name of the grid if a table holds several, else
    empty.
    """

    encoder: str
    method: str
    title: str
    seeds: np.ndarray
    labelled: np.ndarray
    unlabelled: np.ndarray
    n_labelled: np.ndarray
    n_unlabelled: np.ndarray
    scores: np.ndarray
    baseline: np.ndarray
    start: str = RANDOM

    @property
    def learns(self) -> bool:
        """Whether it is of a way of pre-training, neither of the control alone nor of an existing net alone."""
        return bool((self.unlabelled > 0).any())

    @property
    def key(self) -> dict[str, str]:
        """The first columns of every table about this grid."""
        return {"encoder": self.encoder, "method": self.method}


def grids(cells: pd.DataFrame, metric: str = "test_macro_f1") -> list[Grid]:
    """A `Grid` for each (encoder, method) in `cells`, in alphabetical order.

    The random control is part of the grids of its encoder's methods; it has a grid of its own only if there are none.
    `cells` as `check_cells` returns it. Raises `ResultsError` if it has no column `metric`.
    """
    check_metric(cells, metric)
    used = cells[["encoder", "method", "l", "u", "seed", "n_labelled", "n_unlabelled", metric]]
    at_zero = {**starts(cells), **{name: name for name in frozen_nets(cells)}}
    found = list(used.groupby(["encoder", "method"], sort=True))
    parts = dict(found)
    learned = [key for key, _ in found if key[1] not in (SUPERVISED, RANDOM)]
    alone = [key for key, _ in found if key[1] == RANDOM and not any(key[0] == encoder for encoder, _ in learned)]
    chosen = sorted(learned + alone)
    encoders, methods = len({e for e, _ in chosen}), len({m for _, m in chosen})
    made = []
    for encoder, method in chosen:
        parts_of_title = [method] * (methods > 1) + [encoder] * (encoders > 1)
        start = at_zero.get(method, RANDOM)
        rows = pd.concat([parts[key] for key in dict.fromkeys([(encoder, method), (encoder, start)]) if key in parts])
        title = ", ".join(parts_of_title)
        made.append(_grid(rows, parts.get((encoder, SUPERVISED)), encoder, method, title, metric, start))
    return made


def complete(scores: np.ndarray) -> np.ndarray:
    """Which seeds of `scores` `[S, ...]` have a result in every cell: `[S]` bool."""
    return np.isfinite(scores).reshape(len(scores), -1).all(axis=1)


def _grid(
    rows: pd.DataFrame, baseline: pd.DataFrame | None, encoder, method, title: str, metric: str, start: str
) -> Grid:
    own = rows[rows.method == method]
    if baseline is None:
        baseline = rows.iloc[:0]
    # runs of the control or the baseline at other seeds or labels cannot be paired
    seeds = np.unique(own.seed)
    labelled = np.unique(np.concatenate([own.l, baseline.l]))
    rows = rows[rows.seed.isin(seeds) & rows.l.isin(labelled)]
    baseline = baseline[baseline.seed.isin(seeds)]
    unlabelled = np.unique(rows.u)
    at = np.searchsorted(seeds, rows.seed), np.searchsorted(labelled, rows.l), np.searchsorted(unlabelled, rows.u)
    shape = len(seeds), len(labelled), len(unlabelled)
    scores, base = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    scores[at] = rows[metric]
    base[np.searchsorted(seeds, baseline.seed), np.searchsorted(labelled, baseline.l)] = baseline[metric]
    n_labelled, n_unlabelled = np.zeros(shape[1]), np.full(shape[1:], np.nan)
    for table in (rows, baseline):
        n_labelled[np.searchsorted(labelled, table.l)] = table.n_labelled
    n_unlabelled[at[1:]] = rows.n_unlabelled
    return Grid(encoder, method, title, seeds, labelled, unlabelled, n_labelled, n_unlabelled, scores, base, start)


def each_label(grid: Grid) -> Iterator[tuple[int, dict]]:
    """`(index, first columns of its row)` of each labelled fraction of a grid that has a run with an encoder."""
    for i, fraction in enumerate(grid.labelled):
        if np.isfinite(grid.n_unlabelled[i]).any():
            yield i, {**grid.key, "l": fraction, "n_labelled": int(grid.n_labelled[i])}
