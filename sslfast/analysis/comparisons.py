"""Tables of differences that are paired by seed: their intervals, and verdicts with one error rate for all of them."""

import numpy as np
import pandas as pd

from .multiple_testing import holm
from .paired import Paired, moderated, suspects
from .scores import SETTING, by_setting

__all__ = ["compare", "paired_of", "suspect_runs", "verdicts"]


def compare(runs: pd.DataFrame, image_noise: pd.DataFrame | None = None, metric: str = "") -> pd.DataFrame:
    """`by_setting` of `value`, a difference a run, as `difference`, with the `moderated` `se`, `free`, `low`, `high`.

    `runs`: a row a run; `suspect` (bool): whether it, or the run that it is compared with, is an outlier
    (`suspect_runs`). The differences of one encoder and method lend each other their variance. `p`: two-sided, NaN
    where there is no interval: below three seeds, or where all seeds have the same value. `image_noise`: the variance
    of `metric` that the choice of test images adds, a row a setting, where it is known (see
    `sslfast.analysis.image_noise`): then intervals speak of images like these, not of these alone. `image_se`: that
    standard error, NaN where unknown.
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
    """The differences of a table of `compare`."""
    return Paired(*(found[name].to_numpy() for name in ("difference", "se", "free", "n_seeds")))


def verdicts(found: pd.DataFrame, family: pd.Series, delta: float, alpha: float) -> pd.DataFrame:
    """`found`, a table of `compare`, with `p_holm` and `outcome`: what each difference shows, in a word.

    `better` or `worse` where it differs from 0, `equal` where it lies within ± `delta` (two one-sided tests), else
    `open`; `unknown` where there is no interval. Those in `family` (bool) together err at most at `alpha`: differences
    by Holm's method (`p_holm`), equality by Bonferroni's; no true difference can be wrongly called both different and
    equal, so they share `alpha`. The others are judged one by one, each at `alpha`.
    """
    tested = family & found.p.notna()
    corrected = found.p.copy()
    corrected[tested] = holm(found.p[tested])
    same = paired_of(found).within(delta) * np.where(family, max(int(tested.sum()), 1), 1)
    differs = corrected < alpha
    choices = [found.p.isna(), differs & (found.difference > 0), differs, same < alpha]
    outcome = np.select(choices, ["unknown", "better", "worse", "equal"], "open")
    return found.assign(p_holm=corrected.where(tested), outcome=outcome)


def suspect_runs(cells: pd.DataFrame, metric: str) -> pd.Series:
    """Which runs score so far from other seeds of their setting that chance does not explain it (see `suspects`)."""
    found = np.zeros(len(cells), bool)
    groups = cells.groupby([name for name in ("encoder", "evaluate") if name in cells])
    for rows in groups.indices.values():
        part = cells.iloc[rows]
        arms = part.groupby(["method", "u"], dropna=False).ngroup().to_numpy()
        at, scores = _array(part, part[metric], arms)
        found[rows] = suspects(scores)[at]
    return pd.Series(found, cells.index)


def _array(runs: pd.DataFrame, values: pd.Series, arms: np.ndarray) -> tuple[tuple, np.ndarray]:
    """Where the rows of `runs` lie in an array `[S, L, K]` of seeds, numbers of labels and `arms` (indices), and
    `values` there; NaN for a run that is missing."""
    labels, seeds = np.unique(runs.l), np.unique(runs.seed)
    at = np.searchsorted(seeds, runs.seed), np.searchsorted(labels, runs.l), arms
    found = np.full((len(seeds), len(labels), arms.max() + 1), np.nan)
    found[at] = values
    return at, found
