"""Self-supervised against supervised, and against an encoder that learned nothing, paired by seed."""

import numpy as np
import pandas as pd

from .checks import RANDOM, SUPERVISED, check_metric
from .intervals import detectable, holm, outcomes, two_sided
from .scores import SETTING, by_setting
from .words import badge, count, points, range_of_points, seeds

__all__ = ["contrasts"]

OTHER = {SUPERVISED: "the supervised baseline", RANDOM: "an encoder that learned nothing"}


def contrasts(
    cells: pd.DataFrame,
    metric: str = "test_macro_f1",
    against: str = SUPERVISED,
    *,
    delta: float = 0.015,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """`metric` minus that of `against` (`supervised` or `random`), paired by seed: a row a (encoder, l, method, u).

    `difference` with its 95 % t interval (`low`, `high`), the two-sided `p`, and over how many seeds (`n_seeds`); seeds
    for which either run is missing are dropped, and counted in `n_dropped`. `primary`: the comparisons fixed
    beforehand, each method at its largest u against the baseline; `p_holm` corrects them for the number of l, by
    Holm's method, for each encoder and method. All others are exploratory. `outcome` is `better` or `worse` (primary:
    p_holm < `alpha`; else p < `alpha`), `equal` (two one-sided tests: within ± `delta`), `open`, or `unknown` (no
    interval). `detectable`: the smallest true difference that so many seeds find in 80 % of studies. `sentence`: the
    result in words.

    Pairing: seeds share images, order and weights, so their difference varies less than they do (Bouthillier et
    al. 2021, Accounting for variance in machine learning benchmarks).
    """
    check_metric(cells, metric)
    other = cells.loc[cells.method == against, ["encoder", "l", "seed", metric]]
    ours = cells[~cells.method.isin([SUPERVISED, against])].merge(
        other.rename(columns={metric: "other"}), on=["encoder", "l", "seed"], how="left"
    )
    found = by_setting(ours.assign(value=ours[metric] - ours["other"]), "value")
    found = found.rename(columns={"mean": "difference", "n_missing": "n_dropped"})
    found["p"] = two_sided(found.difference, found.se, found.n_seeds)
    largest = found.groupby(["encoder", "l", "method"]).u.transform("max")
    found["primary"] = (against == SUPERVISED) & (found.method != RANDOM) & (found.u == largest)
    found["p_holm"] = np.nan
    tested = found.primary & found.p.notna()
    for _, rows in found[tested].groupby(["encoder", "method"]):
        found.loc[rows.index, "p_holm"] = holm(rows.p)
    found["outcome"] = outcomes(found, found.p_holm.where(found.primary, found.p), delta, alpha)
    found["detectable"] = detectable(found.sd, found.n_seeds, alpha)
    learned = found[found.method != RANDOM]
    several = {name: learned[name].nunique() > 1 for name in ("encoder", "method")}
    found["sentence"] = [_sentence(row, against, delta, alpha, several) for row in found.itertuples()]
    columns = ["n_unlabelled", "n_labelled", "difference", "low", "high", "n_seeds", "n_dropped", "p", "primary"]
    return found[[*SETTING, *columns, "p_holm", "outcome", "detectable", "sentence"]]


def _sentence(row, against: str, delta: float, alpha: float, several: dict[str, bool]) -> str:
    where = f"With {count(row.n_labelled)} labels" + (f" (encoder {row.encoder})" if several["encoder"] else "")
    method = "the random encoder" if row.method == RANDOM else "the pre-trained encoder"
    method += f" ({row.method})" if several["method"] and row.method != RANDOM else ""
    who = method if row.method == RANDOM else f"{method} on {count(row.n_unlabelled)} unlabelled images"
    if row.n_seeds == 0:
        return f"{where}, {who} cannot be compared with {OTHER[against]}: no seed has both runs."
    number = f"{points(row.difference, sign=True)}{range_of_points(row.low, row.high)}, {seeds(row.n_seeds)}"
    if row.outcome == "unknown":
        return f"{where}, {who} compared with {OTHER[against]}: {number}, too few for an interval."
    outcome = {
        "better": "scores better than",
        "worse": "scores worse than",
        "equal": f"scores the same within {points(delta)} as",
        "open": "is not shown to differ from",
    }[row.outcome]
    if row.outcome in ("better", "worse") and max(abs(row.low), abs(row.high)) < delta:
        outcome = outcome.replace(" than", f" (but by less than {points(delta)}) than")
    kind = f"; {badge(row.n_seeds)}" if badge(row.n_seeds) else ""
    if not row.primary:
        kind = "; exploratory, not corrected for the number of comparisons"
    doubt = ""
    if row.outcome == "open":
        alone = row.primary and row.p < alpha
        doubt = (
            "; by itself the interval leaves out 0, but not once corrected for all numbers of labels" if alone else ""
        )
        doubt += f"; a difference below {points(row.detectable)} would often go unseen"
    return f"{where}, {who} {outcome} {OTHER[against]} ({number}{doubt}{kind})."
