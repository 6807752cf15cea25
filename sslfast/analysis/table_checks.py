"""What checks of any table of results are made of: columns that must be there, one row per key, numbers in range."""

import difflib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import ConfigError, ResultsError
from .as_written import CALL_IT, METRICS, first, score_hint

__all__ = ["as_text", "cell_of", "check_filled", "check_metric", "check_number", "check_unique", "require"]


def check_metric(cells: pd.DataFrame, metric: str, where: str = "cells") -> None:
    """Raises `ResultsError` if `cells` has no column `metric`."""
    there = [name for name in METRICS if name in cells]
    if metric not in cells:
        instead = f"judge by {' or '.join(there)} (--metric {there[0]})" if there else score_hint(cells)
        raise ResultsError(f"{where}: no column {metric}; {instead}")


def check_number(name: str, value: float, low: float, high: float = np.inf, *, above: bool = False) -> float:
    """`value` as a float. Raises `ConfigError` for anything but a number from `low` to `high`.

    `name`: what the error calls it. `above`: the number must be more than `low`.
    """
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool) and np.isfinite(value)
    if not number or not low <= value <= high or (above and value == low):
        bounds = f"{'more than' if above else 'at least'} {low:g}" + (f" and at most {high:g}" if high < np.inf else "")
        percent = number and high <= 1 <= value <= 100
        hint = f" (a fraction: {value:g} % is {value / 100:g})" if percent else ""
        raise ConfigError(f"{name}: found {value!r}, expected a number of {bounds}{hint}")
    return float(value)


def require(table: pd.DataFrame, names: Sequence[str], where: str) -> None:
    for name in names:
        if name not in table:
            close = difflib.get_close_matches(name, [str(c) for c in table if c not in names], n=1)
            hint = f"did you mean column {close[0]}? rename it" if close else f"expected {', '.join(names)}"
            raise ResultsError(f"{where}: no column {name}; {hint}")


def check_filled(table: pd.DataFrame, name: str, where: str) -> None:
    """Raises `ResultsError` if column `name` of `table` is empty in a row."""
    if table[name].isna().any():
        hint = {"method": f"; {CALL_IT}", "status": " (ok, or why there is no result)"}.get(name, "")
        raise ResultsError(f"{where}: column {name} is empty in row {first(table[name].isna())}; fill it in{hint}")


def check_unique(table: pd.DataFrame, key: list[str], where: str) -> None:
    twice = table.duplicated(key, keep=False)
    if twice.any():
        rows = table[twice]
        number = (table[key].astype(object).fillna(-1) == rows[key].astype(object).fillna(-1).iloc[0]).all(axis=1).sum()
        epoch = f", epoch {rows.epoch.iloc[0]:g}" if "epoch" in key else ""
        raise ResultsError(
            f"{where}: {cell_of(rows.iloc[0])}{epoch} stands in {number} rows, expected one; remove the others"
        )


def as_text(column: pd.Series) -> pd.Series:
    is_text = all(isinstance(name, str) for name in column.dropna().unique())
    return column if is_text else column.where(column.isna(), column.astype(str))


def cell_of(row: pd.Series) -> str:
    u = "" if pd.isna(row.u) else f", u {row.u:g}"
    return f"{row.method} ({row.encoder}){u}, l {row.l:g}, seed {row.seed:g}"
