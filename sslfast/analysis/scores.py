"""Scores of each setting (encoder, l, method, u) as means over seeds, and round accuracies within their range."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .intervals import score_intervals
from .table_checks import check_metric, check_number

__all__ = ["SETTING", "accuracy_targets", "best_setting", "by_setting", "scores", "with_intervals"]

SETTING = ["encoder", "l", "method", "u"]


def scores(cells: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """One row per (encoder, l, method, u): mean, sd, low, high of `metric`, n_seeds, n_missing, counts, seconds.

    Seconds, and measures of the encoder (`encoder_…`) if there are any, are means over the runs that finished; a run
    that stopped early was not faster. `test_error`: the standard error of an accuracy that is due to the number of test
    images. All seeds share them, so more seeds do not make it smaller. NaN without a column `n_test`.
    """
    check_metric(cells, metric)
    table = with_intervals(by_setting(cells, metric))
    finished = cells[cells.status == "ok"]
    names = [name for name in ("seconds_pretrain", "seconds_classify") if name in cells]
    names += [name for name in cells if name.startswith("encoder_")]
    seconds = finished.groupby(SETTING, dropna=False)[names].mean().reset_index()
    n_test = cells["n_test"].max() if "n_test" in cells else np.nan
    test_error = np.sqrt(table["mean"] * (1 - table["mean"]) / (n_test if n_test else np.nan))
    table = table.drop(columns="se").assign(test_error=test_error)
    more = dict.fromkeys(["seconds_pretrain", "seconds_classify", *names])
    return table.merge(seconds, on=SETTING, how="left").reindex(columns=[*table, *more])


def by_setting(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row per setting of `table`: counts, mean, sd, se of `value` over seeds, n_seeds, n_missing.

    `table`: one row per run, `value` NaN where there is none.
    """
    groups = table.groupby(SETTING, dropna=False, sort=True)
    found = groups.agg(
        n_unlabelled=("n_unlabelled", "first"),
        n_labelled=("n_labelled", "first"),
        mean=(value, "mean"),
        sd=(value, "std"),
        least=(value, "min"),
        most=(value, "max"),
        n_seeds=(value, "count"),
        n_runs=(value, "size"),
    ).reset_index()
    identical = found.least == found.most  # the mean of identical scores may differ from them in the last digit
    found.loc[identical, "mean"] = found.most[identical]
    found.loc[identical & (found.n_seeds > 1), "sd"] = 0.0
    se = found.sd / np.sqrt(found.n_seeds)
    found = found.assign(se=se, n_missing=found.n_runs - found.n_seeds)
    found = found.astype({"n_unlabelled": int, "n_labelled": int})
    order = ["n_unlabelled", "n_labelled", "mean", "sd", "se", "n_seeds", "n_missing"]
    return found[[*SETTING, *order]]


def best_setting(cells: pd.DataFrame, metric: str = "test_macro_f1") -> tuple[tuple, float] | None:
    """`((encoder, l, method, u), score)` of the setting with the highest mean, without the luck of the choice.

    The highest of many means is partly chance. Therefore `score` is the mean over seeds of the score that a seed has in
    the setting that the other seeds would choose; NaN below two seeds. None if there is no result.
    """
    runs = cells.dropna(subset=[metric]).pivot_table(
        index=[cells[name].fillna(-1) if name == "u" else cells[name] for name in SETTING],
        columns="seed",
        values=metric,
    )
    if runs.empty:
        return None
    values = runs.to_numpy()
    n, total = np.isfinite(values).sum(axis=1, keepdims=True), np.nansum(values, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        others = np.where(np.isfinite(values), (total - values) / (n - 1), -np.inf)  # means without each seed
    others = np.where(np.isfinite(others), others, -np.inf)
    chosen = others.argmax(axis=0)
    told = [values[row, seed] for seed, row in enumerate(chosen) if np.isfinite(others[row, seed])]
    return runs.index[int((total / n).argmax())], float(np.mean(told)) if told else np.nan


def with_intervals(scores: pd.DataFrame) -> pd.DataFrame:
    """`scores` (a table of `by_setting`) with the 95 % intervals `low` and `high`: see `score_intervals`."""
    low, high = score_intervals(scores["mean"], scores.se, scores.n_seeds)
    return scores.assign(low=low, high=high)


def accuracy_targets(cells: pd.DataFrame, targets: Sequence[float] | None = None) -> list[float]:
    """`targets` if given, else up to three round accuracies above 0 within the range of the mean test accuracies.

    Raises `ConfigError` for a target that is no accuracy between 0 and 1.
    """
    if targets:
        return [check_number("accuracy target", target, 0, 1, above=True) for target in targets]
    means = scores(cells, "test_accuracy")["mean"].dropna()
    if means.empty:
        return []
    low, high = means.quantile(0.25), means.max()
    step = next((s for s in (0.1, 0.05, 0.02, 0.01, 0.005) if round((high - low) / s, 6) >= 3), 0.002)
    # rounded first, since 0.6 / 0.1 is 5.999…
    first = max(1, math.ceil(round(low / step, 6)))  # not 0, which needs no data at all
    grid = np.arange(first, math.floor(round(high / step, 6)) + 1) * step
    chosen = grid[np.unique(np.linspace(0, len(grid) - 1, 3).round().astype(int))] if len(grid) else []
    return [round(float(target), 4) for target in chosen]
