"""How far the numbers of a study reach: what chance alone does to them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .paired import MIN_LEVELS
from .unusual import unusual_sentence
from .words import LOOKING_AGAIN, plural, points

__all__ = ["reach"]

LENT = "the spread over seeds is taken to follow a trend over the numbers of labels, for each way of pre-training"


def reach(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """From the tables of `analyse`: what chance alone does to the numbers, where it is known, name and text."""
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
        found["looking again"] = LOOKING_AGAIN
        found["between numbers of labels"] = (
            "worth in labels and data needed take scores to change gradually; a jump between two of them may escape"
        )
    if text := unusual_sentence(tables["unusual"]):
        found["runs to look at"] = text
    if np.isfinite(error := tables["scores"].test_error.max()):
        found["test images alone"] = (
            f"leave a score uncertain by {points(error)} (one standard error), in all seeds alike"
        )
    chosen = fits[fits.chosen.astype(bool)]
    for row in chosen.itertuples():
        name = "held-out error" if len(chosen) == 1 else f"held-out error ({row.method}, {row.encoder})"
        found[name] = row.sentence
    return found


def _population(primary: pd.DataFrame) -> str:
    """For what images the intervals speak, and what was assumed of the spread over seeds."""
    known = primary.image_se[primary.n_seeds > 0]
    if len(known) and known.notna().all():
        whom = (
            "speak of images like the test images: what their choice adds is in them, and in those of worth in labels"
        )
        whom += "; claims, what to get next and comparisons of evaluations speak of these test images"
    else:
        whom = "speak of these test images; on others a difference may be another"
    levels = primary.groupby(["encoder", "method"]).l.nunique().max()
    return f"{whom}; {LENT}" if levels >= MIN_LEVELS else whom
