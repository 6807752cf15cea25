"""Tables of differences paired by seed: their intervals, and verdicts that share one error rate."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .multiple_testing import holm
from .paired import Paired, moderated, suspects
from .scores import SETTING, by_setting

__all__ = ["ALPHA", "DELTA", "compare", "paired_of", "suspect_runs", "verdicts"]

DELTA = 0.015  # the smallest gain worth having, unless the caller or a config says otherwise
ALPHA = 0.05  # the error rate of a family of tests, likewise


def compare(runs: pd.DataFrame, image_noise: pd.DataFrame | None = None, metric: str = "") -> pd.DataFrame:
    """The mean difference of each setting, with its interval: one row per (encoder, l, method, u).

    `runs`: one row per run. `value`: the difference between this run and the one that it is compared with. `suspect`
    (bool): whether either of the two is an outlier (see `suspect_runs`). `image_noise`: the variance of `metric` that
    the choice of test images adds, one row per setting (see `sslfast.analysis.image_noise`). With it, intervals hold
    for images like the test images; without it, for these test images only.

    Columns beside those of `by_setting`: `difference`; `se` and its degrees of freedom `free`, moderated over the
    settings of one encoder and method (see `moderated`); `low` and `high`, the 95 % interval; `p`, two-sided;
    `image_se`, the standard error that the test images add, NaN if unknown. Interval and `p` are NaN below three seeds,
    and where all seeds have the same value.
    """
    found = by_setting(runs, "value").rename(columns={"mean": "difference", "n_missing": "n_dropped"})
    variance = pd.Series(np.nan, found.index)
    if image_noise is not None and metric in image_noise:
        known = image_noise.drop_duplicates(SETTING).set_index(SETTING)[metric]
        variance = known.reindex(pd.MultiIndex.from_frame(found[SETTING])).set_axis(found.index)
    se, free = np.full(len(found), np.nan), np.ones(len(found))
    place = found.assign(row=np.arange(len(found))).groupby(["encoder", "method"])
    for key, part in runs.groupby(["encoder", "method"]):
        labels, us = np.unique(part.l), np.unique(part.u)
        at, values = _array(part, part.value, np.searchsorted(us, part.u))
        doubtful, n_labelled = np.zeros(values.shape, bool), np.zeros(len(labels))
        doubtful[at], n_labelled[at[1]] = part.suspect, part.n_labelled
        paired = moderated(values, n_labelled, doubtful)
        rows = place.get_group(key)
        back = np.searchsorted(labels, rows.l), np.searchsorted(us, rows.u)
        se[rows.row], free[rows.row] = paired.se[back], paired.free[back]
    paired = Paired(found.difference.to_numpy(), se, free, found.n_seeds.to_numpy()).with_variance(
        variance.fillna(0).to_numpy()
    )
    low, high = paired.interval()
    return found.assign(
        se=paired.se, free=paired.free, low=low, high=high, p=paired.two_sided(), image_se=np.sqrt(variance)
    )


def paired_of(found: pd.DataFrame) -> Paired:
    """The differences in a table of `compare`, as `Paired`."""
    return Paired(*(found[name].to_numpy() for name in ("difference", "se", "free", "n_seeds")))


def verdicts(
    found: pd.DataFrame, family: pd.Series, delta: float, alpha: float, beside: Sequence[float] = ()
) -> pd.DataFrame:
    """`found`, a table of `compare`, with two more columns: `p_holm`, and `outcome`, the verdict in one word.

    Outcomes: `better` or `worse` if the difference is shown to differ from 0; `equal` if it is shown to lie within
    ± `delta` (two one-sided tests); else `open`; `unknown` without an interval.

    The rows in `family` (bool) share one error rate: any verdict among them is wrong in at most a share `alpha` of
    studies. Differences are corrected by Holm's method (`p_holm`), equality by Bonferroni's. Both can use the whole of
    `alpha`, since no true difference can be wrongly called different and also wrongly called equal. Rows outside the
    family are each judged at `alpha`. `beside`: p-values of comparisons of the same family that are not in `found`.
    """
    tested = family & found.p.notna()
    corrected, rest = found.p.copy(), np.asarray(beside, dtype=float)
    rest = rest[np.isfinite(rest)]
    corrected[tested] = holm(np.concatenate([found.p[tested], rest]))[: int(tested.sum())]
    same = paired_of(found).within(delta) * np.where(family, max(int(tested.sum()) + len(rest), 1), 1)
    differs = corrected < alpha
    choices = [found.p.isna(), differs & (found.difference > 0), differs, same < alpha]
    outcome = np.select(choices, ["unknown", "better", "worse", "equal"], "open")
    return found.assign(p_holm=corrected.where(tested), outcome=outcome)


def suspect_runs(cells: pd.DataFrame, metric: str) -> pd.Series:
    """Which runs, `[len(cells)]` bool, score too far from the other seeds of their setting (see `suspects`)."""
    found = np.zeros(len(cells), bool)
    groups = cells.groupby([name for name in ("encoder", "evaluate") if name in cells])
    for rows in groups.indices.values():
        part = cells.iloc[rows]
        arms = part.groupby(["method", "u"], dropna=False).ngroup().to_numpy()
        at, scores = _array(part, part[metric], arms)
        found[rows] = suspects(scores)[at]
    return pd.Series(found, cells.index)


def _array(runs: pd.DataFrame, values: pd.Series, arms: np.ndarray) -> tuple[tuple, np.ndarray]:
    """`(indices, array)`: `values` of `runs` as an array `[S, L, K]` of seeds, numbers of labels and `arms`.

    `arms`: the index along K of each run. `indices`: where each run is in the array. Missing runs are NaN.
    """
    labels, seeds = np.unique(runs.l), np.unique(runs.seed)
    at = np.searchsorted(seeds, runs.seed), np.searchsorted(labels, runs.l), arms
    found = np.full((len(seeds), len(labels), arms.max() + 1), np.nan)
    found[at] = values
    return at, found
