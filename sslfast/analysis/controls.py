"""Pre-trained encoders against controls that learned nothing from the images, paired by seed."""

import pandas as pd

from ..study.names import PIXELS, RANDOM, SHUFFLED, WITHOUT_ENCODER
from .base_nets import on_net
from .comparisons import ALPHA, DELTA, compare, suspect_runs, verdicts
from .scores import SETTING
from .table_checks import check_metric
from .words import count, evidence, points, range_of_points

__all__ = ["controls"]

OTHER = {
    RANDOM: "an encoder that learned nothing",
    "shuffled": "the same encoder with the weights of each layer shuffled",
    PIXELS: "logistic regression on raw pixels",
}
COLUMNS = ["n_unlabelled", "n_labelled", "difference", "low", "high", "n_seeds", "p_holm", "outcome", "sentence"]


def controls(
    cells: pd.DataFrame,
    metric: str = "test_macro_f1",
    *,
    delta: float = DELTA,
    alpha: float = ALPHA,
    image_noise: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """`metric` minus that of each control, paired by seed: one row per (encoder, l, method, u), evaluation and control.

    `control`, as far as the study has it: `random` (initial weights), `shuffled` (the weights of the same encoder in
    random places, which shows what their scale alone explains; Raghu et al. 2019) or `pixels` (no encoder).
    `difference` with its 95 % interval (`low`, `high`; see `sslfast.analysis.paired`); `p_holm` and `outcome` (see
    `verdicts`; all rows are one family); `sentence`, the result in words. `image_noise`: see `contrasts`; used for the
    control `random`.
    """
    check_metric(cells, metric)
    cells = cells.assign(suspect=suspect_runs(cells, metric))
    learned = cells[~cells.method.isin([*WITHOUT_ENCODER, RANDOM]) & ~cells.method.str.startswith(SHUFFLED)]
    found = []
    for evaluate, ours in learned.groupby("evaluate"):
        same = cells[cells.evaluate == evaluate]
        shuffled = same[same.method.str.startswith(SHUFFLED)]
        shuffled = shuffled.assign(method=shuffled.method.str.removeprefix(SHUFFLED))
        for control, other, key in (
            (RANDOM, same[same.method == RANDOM], ["encoder", "l", "seed"]),
            ("shuffled", shuffled, ["encoder", "method", "u", "l", "seed"]),
            (PIXELS, cells[cells.method == PIXELS], ["l", "seed"]),
        ):
            if len(other) and (control != RANDOM or not on_net(ours).all()):
                other = other[[*key, metric, "suspect"]].rename(columns={metric: "other"})
                asked = ours[~on_net(ours)] if control == RANDOM else ours  # other architectures
                pairs = asked.merge(other, on=key, how="left", suffixes=("", "_other"))
                doubtful = pairs.suspect | pairs.suspect_other.eq(True)
                known = None
                if image_noise is not None and control == RANDOM:
                    known = image_noise[(image_noise.other == RANDOM) & (image_noise.evaluate == evaluate)]
                rows = compare(pairs.assign(value=pairs[metric] - pairs.other, suspect=doubtful), known, metric)
                found.append(rows.assign(control=control, evaluate=evaluate))
    if not found:
        return pd.DataFrame(columns=[*SETTING, "control", "evaluate", *COLUMNS])
    table = pd.concat(found, ignore_index=True)
    table = verdicts(table, pd.Series(True, table.index), delta, alpha)
    table["sentence"] = [_sentence(row, delta, learned.method.nunique() > 1) for row in table.itertuples()]
    return table[[*SETTING, "control", "evaluate", *COLUMNS]]


def _sentence(row, delta: float, several: bool) -> str:
    who = f"{row.method} on {count(row.n_unlabelled)} unlabelled images" if several else "the pre-trained encoder"
    who = who if row.u else f"the existing net ({row.method})"
    where = f"With {count(row.n_labelled)} labels ({row.evaluate})"
    if not row.n_seeds:
        return f"{where}, {who} cannot be compared with {OTHER[row.control]}: no seed has both runs."
    outcome = {
        "better": "scores better than",
        "worse": "scores worse than",
        "equal": f"scores the same within {points(delta)} as",
        "open": "is not shown to differ from",
        "unknown": "has too few seeds to be compared with",
    }[row.outcome]
    number = f"{points(row.difference, sign=True)}{range_of_points(row.low, row.high)}"
    return f"{where}, {who} {outcome} {OTHER[row.control]} ({number}, {evidence(int(row.n_seeds))})."
