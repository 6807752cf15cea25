"""Time to a score: when runs first reached it, how many never did, and when pre-training has paid for its time."""

import numpy as np
import pandas as pd

from ..study.names import RANDOM, SUPERVISED
from .checks import CELL_KEY
from .scores import SETTING
from .units import UPDATES, Unit, unit_of
from .words import about, badge, count, seeds, who

__all__ = ["first_reached", "time_to_threshold"]


def first_reached(cells: pd.DataFrame, history: pd.DataFrame, metric: str, threshold: float) -> pd.DataFrame:
    """`cells` with when each run first reached `threshold`: reached_epoch, _updates, _seconds and _images.

    NaN for a run that never reached it, and for every run that stopped early. `last_epoch`, `last_updates` and
    `last_seconds`: how long each run lasted.
    """
    reached = history[history[metric] >= threshold].sort_values("epoch").drop_duplicates(CELL_KEY)
    lengths = ["epoch", "updates", "seconds"]
    reached = reached.set_index(CELL_KEY)[[*lengths, "images"]].add_prefix("reached_").reset_index()
    last = history.groupby(CELL_KEY, dropna=False)[lengths].max().add_prefix("last_").reset_index()
    runs = cells.merge(reached, on=CELL_KEY, how="left").merge(last, on=CELL_KEY, how="left")
    runs.loc[runs.status != "ok", list(runs.filter(regex="^reached_"))] = np.nan
    return runs


def time_to_threshold(
    cells: pd.DataFrame, history: pd.DataFrame, metric: str = "macro_f1", threshold: float = 0.4
) -> pd.DataFrame:
    """When validation `metric` first reached `threshold`: one row per (encoder, l, method, u).

    * `n_reached` of `n_seeds` runs reached it. `epochs`, `updates`, `images` and `seconds` (of the classifier): medians
      over all runs, NaN unless more than half reached it, since a run that never reaches the threshold has no time.
      With a budget of updates, `epochs` only numbers the validations, and `sentence` does not give them.
    * `restricted_epochs`, `_updates`, `_seconds`: the mean time within a budget, where 'never' counts as the whole
      budget. The budget (`budget_epochs`, …) is the shortest finished run with the same encoder and l.
    * `seconds_with_pretrain` adds the pre-training of the run's encoder; `seconds_shared` adds 1/m of it if m cells use
      the encoder.
    * `break_even`: how many cells have to share the encoder until pre-training saves time, compared with the baseline's
      median (1: at once; infinite: never; NaN: unknown).

    Source: DAWNBench (Coleman et al. 2017) and the MLPerf rules for time to accuracy; Royston & Parmar 2013 for
    restricted means.
    """
    runs = first_reached(cells, history, metric, threshold)
    if "seconds_pretrain" not in runs:
        runs["seconds_pretrain"] = np.nan
    runs.loc[runs.method.isin([SUPERVISED, RANDOM]), "seconds_pretrain"] = 0.0  # nothing is pre-trained there
    from_rest = "pool" in runs and (runs.pool == "rest").any()
    encoder = ["encoder", "method", "u", "seed"] + (["l"] if from_rest else [])
    sharing = runs.groupby(encoder, dropna=False).l.transform("size")
    runs["seconds"] = runs.reached_seconds
    runs["seconds_with_pretrain"] = runs.seconds + runs.seconds_pretrain
    runs["seconds_shared"] = runs.seconds + runs.seconds_pretrain / sharing
    finished = runs[runs.status == "ok"].groupby(["encoder", "l"])
    lengths = {"epochs": "epoch", "updates": "updates", "seconds": "seconds"}
    for name, measure in lengths.items():
        shortest = finished[f"last_{measure}"].min().rename(f"budget_{name}")
        runs = runs.merge(shortest.reset_index(), on=["encoder", "l"], how="left")
        reached = runs[f"reached_{measure}"].fillna(np.inf)
        runs[f"restricted_{name}"] = np.minimum(reached, runs[f"budget_{name}"])
    never = runs.reached_epoch.isna()
    medians = {"epochs": "reached_epoch", "updates": "reached_updates", "images": "reached_images"}
    medians["seconds"] = "seconds"
    medians |= {name: name for name in ("seconds_shared", "seconds_with_pretrain")}
    for name, source in medians.items():  # medians over all runs, with 'never' as infinite
        runs[f"median_{name}"] = runs[source].where(~never, np.inf)
    groups = runs.groupby(SETTING, dropna=False, sort=True)
    found = groups.agg(
        n_reached=("reached_epoch", "count"),
        n_seeds=("reached_epoch", "size"),
        **{name: (f"median_{name}", "median") for name in medians},
        **{f"restricted_{name}": (f"restricted_{name}", "mean") for name in lengths},
        **{name: (name, "first") for name in (*(f"budget_{name}" for name in lengths), "n_labelled", "n_unlabelled")},
        pretrain=("seconds_pretrain", "median"),
    ).reset_index()
    most = found.n_reached > found.n_seeds / 2
    for name in medians:  # for an even number of runs, the mean of two infinite times is NaN already
        found[name] = found[name].where(most & np.isfinite(found[name]))
    found["break_even"] = _break_even(found)
    unit = unit_of(cells, history)
    found["sentence"] = [_sentence(row, metric, threshold, unit) for row in found.itertuples()]
    return found.drop(columns=["pretrain", "n_labelled", "n_unlabelled"])


def _break_even(found: pd.DataFrame) -> pd.Series:
    base = found[found.method == SUPERVISED].set_index(["encoder", "l"])
    base = base.reindex(pd.MultiIndex.from_frame(found[["encoder", "l"]]))
    has_base = base.n_seeds.notna().to_numpy()
    theirs = base.seconds.fillna(np.inf).to_numpy()  # never
    ours = found.seconds.fillna(np.inf).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = np.maximum(np.ceil(found.pretrain.to_numpy() / (theirs - ours)), 1)
    cells = np.where(ours >= theirs, np.inf, cells)
    return pd.Series(np.where(has_base & (found.method != SUPERVISED), cells, np.nan), index=found.index)


def _sentence(row, metric: str, threshold: float, unit: Unit) -> str:
    score = f"{ {'macro_f1': 'macro-F1'}.get(metric, metric) } {threshold:g}"
    head = f"{count(row.n_labelled)} labels, {who(row)}: {row.n_reached} of {seeds(row.n_seeds)} reached {score}"
    kind = f" ({badge(row.n_seeds)})" if badge(row.n_seeds) else ""
    if not np.isfinite(row.epochs):
        return f"{head}, so it has no typical time{kind}."
    passes = f" ({_passes(row)})" if unit == UPDATES and np.isfinite(row.images) else ""
    text = f"{head}, typically after {unit.said(getattr(row, unit.many))}{passes} and {row.seconds:.3g} s"
    if np.isfinite(row.seconds_with_pretrain) and row.pretrain > 0:
        text += f" ({row.seconds_with_pretrain:.3g} s with pre-training)"
    if row.method not in (SUPERVISED, RANDOM):
        if np.isinf(row.break_even):
            text += "; it is no quicker than the baseline, however many cells share the encoder"
        elif row.break_even == row.break_even:
            text += f"; pre-training pays back its time from {row.break_even:.0f} cells that share the encoder on"
    return text + kind + "."


def _passes(row) -> str:
    """How often the labelled images were seen; a number of epochs says that by itself."""
    passes = row.images / row.n_labelled
    number = about(passes) if passes >= 10 else f"{passes:.2g}"
    return f"{number} pass{'' if number == '1' else 'es'} over the labels"
