"""Unlikely results: a run far from the other seeds of its setting, or a setting with the same score in all seeds."""

import numpy as np
import pandas as pd

from ..study.names import SUPERVISED
from .comparisons import suspect_runs
from .intervals import MIN_SEEDS
from .scores import SETTING
from .words import count, points, seeds

__all__ = ["FAR", "SAME", "unusual", "unusual_sentence"]

FAR, SAME = "far from its other seeds", "the same in all seeds"
COLUMNS = [*SETTING, "seed", "score", "what", "sentence"]


def unusual(cells: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """Results that somebody should look at: one row per run (`what` is `FAR`) or setting (`SAME`; `seed` is empty).

    `FAR`: an outlier (see `suspects`); it stays in all results, but its comparisons have intervals from their own
    spread alone. `SAME`: all seeds score the same to the last digit, so perhaps the seed was not applied; comparisons
    with it have no interval.
    """
    far = cells[suspect_runs(cells, metric)]
    medians = cells.groupby(SETTING, dropna=False)[metric].transform("median")
    rows = [
        {**{name: getattr(row, name) for name in SETTING}, "seed": row.seed, "score": getattr(row, metric), "what": FAR}
        | {"sentence": f"{_who(row)}, seed {row.seed}, lies {points(getattr(row, metric) - median, sign=True)} from"
           " the median of its seeds: look at its curve; it is not left out."}
        for row, median in zip(far.itertuples(), medians[far.index], strict=True)
    ]  # fmt: skip
    for key, runs in cells.groupby(SETTING, dropna=False):
        known = runs[metric].dropna()
        if len(known) >= MIN_SEEDS and np.ptp(known) == 0:
            row = runs.iloc[0]
            text = f"{_who(row)} scores {known.iloc[0]:.4g} in all {seeds(len(known))}, to the last digit: was the seed"
            rows.append(
                dict(zip(SETTING, key, strict=True)) | {"seed": np.nan, "score": known.iloc[0], "what": SAME}
                | {"sentence": f"{text} applied? Chance is not known, so nothing is concluded from it."}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def unusual_sentence(found: pd.DataFrame) -> str:
    """What is unusual, in a few words, with the first example in full; empty if nothing is."""
    parts = []
    for what, rows in found.groupby("what", sort=False):
        noun = "run is" if what == FAR else "setting is"
        number = f"one {noun}" if len(rows) == 1 else f"{count(len(rows))} {noun.replace(' is', 's are')}"
        parts.append(f"{number} {what if len(rows) == 1 else what.replace('its', 'their')} ({rows.sentence.iloc[0]})")
    return "; ".join(text.replace(".)", ")") for text in parts)


def _who(row) -> str:
    if row.method == SUPERVISED:
        return f"The supervised baseline ({row.encoder}) with {count(row.n_labelled)} labels"
    return f"{row.method} ({row.encoder}) at u = {row.u:g} with {count(row.n_labelled)} labels"
