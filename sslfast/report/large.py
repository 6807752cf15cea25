"""Figures of a large grid: a panel or a line for each of fifty fractions is nothing that a person can read."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..analysis.results import Results

__all__ = ["few"]

LABELLED = 6  # panels side by side
LINES = 16  # of all methods in a panel


def few(results: Results) -> tuple[Results, str]:
    """`results` with as many fractions as a figure can show, and a sentence that says which; "" where that is all.

    The smallest and the largest are among them, the others spread evenly between. Nothing is computed anew: what is
    said of the fractions that are shown rests on all cells.
    """
    cells = results.cells
    n_methods = max(1, cells.method[cells.u > 0].nunique())
    labelled, unlabelled = sorted(cells.l.unique()), sorted(cells.u[cells.u > 0].unique())
    ls, us = _spread(labelled, LABELLED), _spread(unlabelled, max(3, LINES // n_methods))
    if len(ls) == len(labelled) and len(us) == len(unlabelled):
        return results, ""

    def shown(table: pd.DataFrame) -> pd.DataFrame:
        good = table.l.isin(ls) if "l" in table else pd.Series(True, table.index)
        return table[good & (table.u.isin([0, *us]) | table.u.isna())] if "u" in table else table[good]

    tables = {name: shown(table) for name, table in results.tables.items() if name != "data_needed"}
    # a plateau is told of its number of labels, wherever it begins
    tables["plateau"] = results.tables["plateau"][results.tables["plateau"].l.isin(ls)]
    if "data_needed" in results.tables:
        needed = results.tables["data_needed"]
        of = {"u": [0, *us], "l": ls}
        kept = [needed.given.eq(key) & (needed.value.isin(values) | needed.value.isna()) for key, values in of.items()]
        tables["data_needed"] = needed[kept[0] | kept[1]]
    history = None if results.history is None else shown(results.history)
    sentence = (
        f" Shown are {len(ls)} of {len(labelled)} labelled and {len(us)} of {len(unlabelled)} unlabelled fractions;"
        " the tables hold all."
    )
    smaller = replace(results, cells=shown(cells), tables=tables, every=shown(results.every), history=history)
    return smaller, sentence


def _spread(values: list[float], n: int) -> list[float]:
    """At most `n` of the increasing `values`, evenly by place, with both ends."""
    places = (
        np.unique(np.linspace(0, len(values) - 1, n).round().astype(int)) if len(values) > n else range(len(values))
    )
    return [values[k] for k in places]
