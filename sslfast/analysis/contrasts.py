"""Pre-trained encoders against the supervised baseline, and against the random control, paired by seed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..study.names import RANDOM, SUPERVISED
from .base_nets import on_net
from .comparisons import ALPHA, DELTA, compare, suspect_runs, verdicts
from .power import detectable
from .scores import SETTING
from .table_checks import check_metric
from .words import badge, count, points, range_of_points, seeds

__all__ = ["contrasts"]

OTHER = {SUPERVISED: "the supervised baseline", RANDOM: "an encoder that learned nothing"}


def contrasts(
    cells: pd.DataFrame,
    metric: str = "test_macro_f1",
    against: str = SUPERVISED,
    *,
    delta: float = DELTA,
    alpha: float = ALPHA,
    image_noise: pd.DataFrame | None = None,
    beside: Sequence[float] = (),
) -> pd.DataFrame:
    """`metric` minus that of `against` (`supervised` or `random`), paired by seed: one row per (encoder, l, method, u).

    * `difference`, its 95 % interval (`low`, `high`), the two-sided `p`, and the number of seeds, `n_seeds` (see
      `sslfast.analysis.paired`). Seeds that lack one of the two runs are dropped; `n_dropped` counts them.
    * `primary`: the comparisons fixed beforehand, each method at its largest u against the baseline. All primary
      comparisons of a study are one family, with those whose p-values are `beside` them; `p_holm` is corrected for it
      by Holm's method. Others are exploratory.
    * `outcome`: see `verdicts`. `sentence`: the result in words.
    * `detectable`: the smallest true difference that 80 % of studies with as many seeds would find, with the
      same correction.
    * `n_suspect`: pairs with an outlier (see `suspect_runs`). `image_se`: see `compare`.

    `image_noise`: see `sslfast.analysis.image_noise`; without it, intervals hold for these test images only.

    Runs of one seed share images, order and initial weights, so their difference varies less than their scores do
    (Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks).
    """
    check_metric(cells, metric)
    cells = cells.assign(suspect=suspect_runs(cells, metric))
    if against == RANDOM:  # an existing net has another architecture
        cells = cells[~on_net(cells)]
    other = cells.loc[cells.method == against, ["encoder", "l", "seed", metric, "suspect"]]
    ours = cells[~cells.method.isin([SUPERVISED, against])].merge(
        other.rename(columns={metric: "other"}), on=["encoder", "l", "seed"], how="left", suffixes=("", "_other")
    )
    ours = ours.assign(value=ours[metric] - ours.other, suspect=ours.suspect | ours.suspect_other.eq(True))
    found = compare(ours, None if image_noise is None else image_noise[image_noise.other == against], metric)
    largest = found.groupby(["encoder", "l", "method"]).u.transform("max")
    found["primary"] = (against == SUPERVISED) & (found.method != RANDOM) & (found.u == largest)
    found = verdicts(found, found.primary, delta, alpha, beside)
    family = int((found.primary & found.p.notna()).sum()) + int(np.isfinite(beside).sum())
    n_tests = np.where(found.primary, max(family, 1), 1)
    found["detectable"] = detectable(found.se, found.free, alpha / n_tests)
    doubtful = ours[ours.suspect].groupby(SETTING).size()
    found["n_suspect"] = doubtful.reindex(pd.MultiIndex.from_frame(found[SETTING])).fillna(0).to_numpy(int)
    learned = found[found.method != RANDOM]
    several = {name: learned[name].nunique() > 1 for name in ("encoder", "method")}
    found["sentence"] = [_sentence(row, against, delta, alpha, several) for row in found.itertuples()]
    columns = ["n_unlabelled", "n_labelled", "difference", "low", "high", "n_seeds", "n_dropped", "n_suspect"]
    columns += ["p", "primary", "p_holm", "outcome", "detectable", "image_se", "sentence"]
    return found[[*SETTING, *columns]]


def _sentence(row, against: str, delta: float, alpha: float, several: dict[str, bool]) -> str:
    where = f"With {count(row.n_labelled)} labels" + (f" (encoder {row.encoder})" if several["encoder"] else "")
    if row.method == RANDOM:
        who = "the random encoder"
    elif row.u == 0:
        who = f"the existing net ({row.method})"
    else:
        who = "the pre-trained encoder" + (f" ({row.method})" if several["method"] else "")
        who += f" on {count(row.n_unlabelled)} unlabelled images"
    if row.n_seeds == 0:
        return f"{where}, {who} cannot be compared with {OTHER[against]}: no seed has both runs."
    number = f"{points(row.difference, sign=True)}{range_of_points(row.low, row.high)}, {seeds(row.n_seeds)}"
    if row.outcome == "unknown":
        why = "too few for an interval" if row.sd != 0 else "all with the same difference, so chance is not known"
        return f"{where}, {who} compared with {OTHER[against]}: {number}, {why}."
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
    doubt = f"; {seeds(row.n_suspect)} far from the others" if row.n_suspect else ""
    if row.outcome == "open":
        alone = row.primary and row.p < alpha
        doubt += "; its interval excludes 0, but not after correction for all comparisons" if alone else ""
        least = f"a difference below {points(row.detectable)}" if row.detectable < 1 else "any difference"
        doubt += f"; {least} would often go unseen"
    return f"{where}, {who} {outcome} {OTHER[against]} ({number}{doubt}{kind})."
