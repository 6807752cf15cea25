"""What the report tells, as tables: scores, differences from the baseline, time to a threshold, data needed.

All take the `cells` and `history` tables of `sslfast.analysis.tables`, or any with those columns.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .intervals import mean_interval
from .tables import CELL_KEY

__all__ = ["accuracy_targets", "data_needed", "differences", "scores", "time_to_threshold"]

GROUP = ["encoder", "l", "method", "u"]
SUPERVISED = "supervised"


def scores(cells: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """One row a (encoder, l, method, u): mean of `metric` over seeds, low, high, n_seeds, n_missing, counts, seconds.

    Seconds are means over the runs that finished; a run that stopped early was not faster.
    """
    rows = []
    for key, group in cells.groupby(GROUP, dropna=False, sort=True):
        estimate, finished = mean_interval(group[metric]), group[group.status == "ok"]
        rows.append(
            dict(zip(GROUP, key, strict=True))
            | {
                "n_unlabelled": int(group.n_unlabelled.iloc[0]),
                "n_labelled": int(group.n_labelled.iloc[0]),
                "mean": estimate.mean,
                "low": estimate.low,
                "high": estimate.high,
                "n_seeds": estimate.n,
                "n_missing": len(group) - estimate.n,
                "seconds_pretrain": finished.seconds_pretrain.mean(),
                "seconds_classify": finished.seconds_classify.mean(),
            }
        )
    return pd.DataFrame(rows)


def differences(cells: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """Self-supervised minus supervised, paired by seed: a row a (encoder, l, method, u).

    Seeds for which either is missing are dropped, and counted in `n_dropped`.
    """
    baseline = cells[cells.method == SUPERVISED].set_index(["encoder", "l", "seed"])[metric]
    rows = []
    for key, group in cells[cells.method != SUPERVISED].groupby(GROUP, sort=True):
        paired = group.set_index(["encoder", "l", "seed"])[metric] - baseline.reindex(
            pd.MultiIndex.from_frame(group[["encoder", "l", "seed"]])
        )
        estimate = mean_interval(paired)
        rows.append(
            dict(zip(GROUP, key, strict=True))
            | {
                "n_unlabelled": int(group.n_unlabelled.iloc[0]),
                "n_labelled": int(group.n_labelled.iloc[0]),
                "difference": estimate.mean,
                "low": estimate.low,
                "high": estimate.high,
                "n_seeds": estimate.n,
                "n_dropped": len(group) - estimate.n,
            }
        )
    columns = [*GROUP, "n_unlabelled", "n_labelled", "difference", "low", "high", "n_seeds", "n_dropped"]
    return pd.DataFrame(rows, columns=columns)


def time_to_threshold(
    cells: pd.DataFrame, history: pd.DataFrame, metric: str = "macro_f1", threshold: float = 0.4
) -> pd.DataFrame:
    """When validation `metric` first reached `threshold`: a row a (encoder, l, method, u).

    `n_reached` of `n_seeds` runs got there; `epochs` and `seconds` (of the classifier) are medians,
    NaN unless more than half did: a run that never reaches it has no time, and is no large number.
    `seconds_with_pretrain` adds the pre-training of each run's encoder.
    """
    first = history[history[metric] >= threshold].sort_values("epoch").groupby(CELL_KEY, dropna=False).first()
    runs = cells.merge(
        first[["epoch", "seconds", "images"]].reset_index().rename(columns={"epoch": "reached_epoch"}),
        on=CELL_KEY,
        how="left",
    )
    rows = []
    for key, group in runs.groupby(GROUP, dropna=False, sort=True):
        n_reached = int(group.reached_epoch.notna().sum())
        never = group.reached_epoch.isna()
        row = dict(zip(GROUP, key, strict=True)) | {"n_reached": n_reached, "n_seeds": len(group)}
        # the median over all runs, with 'never' as later than anything
        for name, values in {
            "epochs": group.reached_epoch,
            "seconds": group.seconds,
            "seconds_with_pretrain": group.seconds + group.seconds_pretrain,
            "images": group.images,
        }.items():
            middle = float(np.median(values.where(~never, math.inf))) if n_reached > len(group) / 2 else math.inf
            row[name] = middle if math.isfinite(middle) else float("nan")
        rows.append(row)
    return pd.DataFrame(rows)


def accuracy_targets(cells: pd.DataFrame, targets: Sequence[float] | None = None) -> list[float]:
    """`targets` if given, else up to three round accuracies within the range of the mean test accuracies."""
    if targets:
        return list(targets)
    means = scores(cells, "test_accuracy")["mean"].dropna()
    if means.empty:
        return []
    low, high = means.quantile(0.25), means.max()
    step = next((s for s in (0.1, 0.05, 0.02, 0.01, 0.005) if round((high - low) / s, 6) >= 3), 0.002)
    # 0.6 / 0.1 is 5.999…: round before looking for whole steps
    grid = np.arange(math.ceil(round(low / step, 6)), math.floor(round(high / step, 6)) + 1) * step
    chosen = grid[np.unique(np.linspace(0, len(grid) - 1, 3).round().astype(int))] if len(grid) else []
    return [round(float(target), 4) for target in chosen]


def data_needed(cells: pd.DataFrame, targets: Sequence[float]) -> pd.DataFrame:
    """The least data of the grid whose mean test accuracy reaches each target.

    A row a (target, encoder, method, given): with `given` `u` (or no pre-training), `needed` is
    the smallest l; with `given` `l`, the smallest u. `n_needed` counts images; NaN: not reached.
    """
    table = scores(cells, "test_accuracy")
    rows = []

    def least(group: pd.DataFrame, by: str, target: float) -> dict:
        enough = group[group["mean"] >= target].sort_values(by)
        if enough.empty:
            return {"needed": float("nan"), "n_needed": float("nan"), "accuracy": float("nan")}
        row, count = enough.iloc[0], {"l": "n_labelled", "u": "n_unlabelled"}[by]
        return {"needed": row[by], "n_needed": row[count], "accuracy": row["mean"]}

    for target in targets:
        for (encoder, method, u), group in table.groupby(["encoder", "method", "u"], dropna=False):
            given = {"target": target, "encoder": encoder, "method": method, "given": "u", "value": u, "of": "l"}
            rows.append(given | least(group, "l", target))
        pretrained = table[~table.method.isin([SUPERVISED, "random"])]
        for (encoder, method, label), group in pretrained.groupby(["encoder", "method", "l"]):
            control = table[(table.method == "random") & (table.encoder == encoder) & (table.l == label)]
            given = {"target": target, "encoder": encoder, "method": method, "given": "l", "value": label, "of": "u"}
            rows.append(given | least(pd.concat([control, group]), "u", target))
    columns = ["target", "encoder", "method", "given", "value", "of", "needed", "n_needed", "accuracy"]
    return pd.DataFrame(rows, columns=columns)
