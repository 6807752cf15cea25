"""How far the numbers of a study can be trusted: what chance alone may do to them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .paired import MIN_LEVELS
from .unusual import unusual_sentence
from .words import LOOKING_AGAIN, plural, points

__all__ = ["reach"]

LENT = "the spread over seeds is assumed to follow a trend over the numbers of labels, for each way of pre-training"


def reach(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """What chance alone may do to the numbers, as far as it is known, from the tables of `analyse`: text by name."""
    contrasts, fits = tables["contrasts"], tables["surface"]
    primary = contrasts[contrasts.primary]
    found = {}
    if len(primary):
        dropped = int(primary.n_dropped.sum())
        found["seeds dropped"] = (
            f"{dropped or 'none'} from the {plural(len(primary), 'main comparison')}, for a run without result"
        )
    if np.isfinite(sd := tables["scores"].sd.median()):
        found["seed to seed"] = f"a score varies by {points(sd)} (standard deviation, median over settings)"
    if np.isfinite(least := primary.detectable.min()):
        most = primary.detectable.max()
        largest = points(most) if most < 1 else "more than any"
        span = points(least) if points(least) == points(most) else f"{100 * least:.1f} to {largest}"
        found["smallest detectable difference"] = (
            f"{span}, found in 80 % of studies with so many seeds and comparisons, if the spread is as it was seen"
        )
    if len(primary):
        found["intervals of differences"] = _population(primary)
        if "arm_pairs" in tables:
            found["one family"] = (
                f"{plural(int(tables['arm_pairs'].p.notna().sum()), 'comparison')}, each way to spend the labels with"
                " each other at each number of labels: p is corrected for all of them"
            )
        found["looking again"] = LOOKING_AGAIN
        found["between numbers of labels"] = (
            "worth in labels and data needed assume that scores change gradually; they miss a jump between two of them"
        )
    if text := unusual_sentence(tables["unusual"]):
        found["runs to look at"] = text
    if np.isfinite(error := tables["scores"].test_error.max()):
        found["test images alone"] = (
            f"leave a score uncertain by {points(error)} (one standard error), whatever the number of seeds"
        )
    chosen = fits[fits.chosen.astype(bool)]
    for row in chosen.itertuples():
        name = "held-out error" if len(chosen) == 1 else f"held-out error ({row.method}, {row.encoder})"
        found[name] = row.sentence
    return found


def _population(primary: pd.DataFrame) -> str:
    """For which images the intervals hold, and what was assumed about the spread over seeds."""
    known = primary.image_se[primary.n_seeds > 0]
    if len(known) and known.notna().all():
        whom = (
            "hold for images like the test images: they include the choice of test images, and so does worth in labels"
        )
        whom += "; claims, what to get next and comparisons of evaluations hold for these test images only"
    else:
        whom = "hold for these test images only; with others a difference may be larger or smaller"
    levels = primary.groupby(["encoder", "method"]).l.nunique().max()
    return f"{whom}; {LENT}" if levels >= MIN_LEVELS else whom
