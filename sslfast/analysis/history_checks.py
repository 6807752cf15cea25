"""Checks of a table of histories: one row per run and validation, of runs that the table of cells has."""

import numpy as np
import pandas as pd

from ..errors import ResultsError
from ..study.names import RANDOM, SUPERVISED
from .as_written import first, known_columns, known_names, numbers
from .base_nets import BASE_NET, beside_each
from .checks import CELL_KEY, HEAD
from .table_checks import as_text, cell_of, check_filled, check_unique, require

__all__ = ["check_history"]


def check_history(history: pd.DataFrame, cells: pd.DataFrame, metric: str, where: str = "history") -> pd.DataFrame:
    """A checked copy of `history`, one row per run and validation: method, u, l, seed, epoch, seconds, `metric`.

    `epoch` numbers the validations of a run (with a budget of epochs there is one after each epoch); `seconds` count
    from the start of the classifier's training; `metric` is a score from 0 to 1. Optional: `dataset`, `encoder` and
    `evaluate` (as in `cells`, which `check_cells` has returned), `images` and `updates` (training images seen and steps
    of the optimiser so far; NaN if not known).

    Raises `ResultsError` for a missing column, a score outside 0 to 1, a repeated epoch, a run that is not in `cells`,
    and `updates` that are no counts, decrease, or are known for some rows only.
    """
    needed = ["method", "u", "l", "seed", "epoch", "seconds", metric]
    history = history.astype(dict.fromkeys(history.select_dtypes("category"), object))
    history = known_columns(history, [*needed, "dataset", "encoder", "evaluate", "images", "updates"], where)
    require(history, needed, where)
    history = known_names(history, where)
    for name in ("images", "updates"):
        if name not in history:
            history[name] = np.nan
    for name in ("u", "l", "seed", "epoch", "seconds", "images", "updates", metric):
        kind = "share" if name in ("u", "l", metric) else "seed" if name == "seed" else ""
        history[name] = numbers(history[name], f"{where}: column {name}", kind)
    for name in ("dataset", "encoder"):
        if name not in history and cells[name].nunique() > 1:
            raise ResultsError(f"{where}: no column {name}, but {cells[name].nunique()} of them in cells; add it")
        history[name] = history.get(name, cells[name].iloc[0])
    history["evaluate"] = history.get("evaluate", HEAD)
    for name in ("method", "dataset", "encoder", "evaluate"):
        history[name] = as_text(history[name])
        check_filled(history, name, where)
    history.loc[history.method == SUPERVISED, "u"] = np.nan
    history.loc[(history.method == RANDOM) & history.u.isna(), "u"] = 0.0
    outside = ~history[metric].between(0, 1) & history[metric].notna()
    if outside.any():
        found = f"found {history[metric][outside].iloc[0]:g} in row {first(outside)}"
        raise ResultsError(f"{where}: column {metric}: {found}, expected 0 to 1")
    history = _beside_each(history, cells)
    key = [*CELL_KEY, "evaluate"]
    check_unique(history, [*key, "epoch"], where)
    _check_updates(history, key, where)
    known = history[key].drop_duplicates().merge(cells[key], on=key, how="left", indicator=True)
    strange = known[known["_merge"] == "left_only"]
    if len(strange):
        raise ResultsError(
            f"{where}: holds a run that cells does not ({cell_of(strange.iloc[0])}); give both tables of one study"
        )
    return history


def _beside_each(history: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """A history of base nets beside each encoder, as `check_cells` has their cells."""
    if BASE_NET not in cells:
        return history
    of_net = history.merge(
        cells.loc[cells[BASE_NET].notna(), ["method", "u", BASE_NET]].drop_duplicates(), how="left", on=["method", "u"]
    )
    if not of_net.encoder[of_net[BASE_NET].notna()].isin(cells.encoder).all():
        return beside_each(of_net).drop(columns=BASE_NET)
    return history


def _check_updates(history: pd.DataFrame, key: list[str], where: str) -> None:
    updates = history.updates
    if updates.isna().all():
        return
    counts = (updates >= 0) & (updates % 1 == 0)
    if not counts.all():
        found = "nothing" if pd.isna(updates[~counts].iloc[0]) else f"{updates[~counts].iloc[0]:g}"
        raise ResultsError(
            f"{where}: column updates: found {found} in row {first(~counts)}, expected a whole number from 0, or no"
            " such column"
        )
    in_order = history.sort_values("epoch")
    fewer = in_order.groupby(key, dropna=False).updates.diff() < 0
    if fewer.any():
        row = in_order[fewer].iloc[0]
        raise ResultsError(
            f"{where}: column updates: {cell_of(row)}: {row.updates:g} in epoch {row.epoch:g} are fewer than before;"
            " they are counted from the start of the training"
        )
