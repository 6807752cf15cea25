"""Are verdicts and their intervals right: contrasts with the baseline, and plateaus?"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..comparisons import verdicts
from ..paired import moderated, suspects
from ..plateau import plateaus_of
from .worlds import DELTA, Study

__all__ = ["differences", "plateau_claims"]


def differences(study: Study) -> Iterator[tuple[str, bool]]:
    """Of the primary comparisons: do intervals cover, are any verdicts false, how many are settled?"""
    rows = []
    for grid in study.grids:
        base = grid.baseline[:, :, None]
        doubtful = suspects(grid.scores) | suspects(base)
        for name, found in (
            ("", moderated(grid.scores - base, grid.n_labelled, doubtful)),
            (" (plain t)", moderated(grid.scores - base)),
        ):
            low, high = found.interval()
            true = study.truth[grid.method] - study.baseline[:, None]
            for i in range(len(grid.labelled)):
                rows.append(
                    {"by": name, "l": i, "true": true[i, -1], "difference": found.mean[i, -1], "se": found.se[i, -1],
                     "free": found.free[i, -1], "n_seeds": found.n[i, -1], "low": low[i, -1], "high": high[i, -1],
                     "p": found.two_sided()[i, -1]}
                )  # fmt: skip
    table = pd.DataFrame(rows)
    for by, part in table.groupby("by"):
        known = part[part.p.notna()]
        for row in known.itertuples():
            yield f"covers: difference{by}", row.low <= row.true <= row.high
        judged = verdicts(known, pd.Series(True, known.index), DELTA, 0.05)
        wrong = [_wrong(row.outcome, row.true) for row in judged.itertuples()]
        yield f"false: better, worse or equal{by}", any(wrong)
        for row, mistaken in zip(judged.itertuples(), wrong, strict=True):
            yield f"settled: rightly{by}", row.outcome != "open" and not mistaken


def plateau_claims(study: Study) -> Iterator[tuple[str, bool]]:
    """Does any plateau begin too early, or an inner amount count as better that is not?"""
    n_curves = sum(len(grid.labelled) for grid in study.grids)
    early, better, named = [], [], []
    for grid in study.grids:
        true = study.truth[grid.method]
        for i, found in enumerate(plateaus_of(grid.scores, grid.n_labelled, DELTA, 0.05 / n_curves)):
            if found is None:
                continue
            named.append(found.index is not None)
            early.append(named[-1] and found.index < true.shape[1] - 1 and _gain(true[i], found.index) > DELTA - 1e-9)
            better.append(found.better_inside is not None and true[i, found.better_inside] <= true[i, -1] + 1e-9)
    yield "false: plateau", any(early)
    yield "false: better inside", any(better)
    for is_named in named:
        yield "settled: plateau", is_named


def _gain(curve: np.ndarray, index: int) -> float:
    return float((curve[index + 1 :] - curve[index]).max())


def _wrong(outcome: str, true: float) -> bool:
    return {"better": true <= 1e-12, "worse": true >= -1e-12, "equal": abs(true) > DELTA - 1e-9}.get(outcome, False)
