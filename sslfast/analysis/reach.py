"""How far the numbers of a study reach: what chance alone does to them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .words import plural, points

__all__ = ["reach"]


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
        span = points(least) if points(least) == points(most) else f"{100 * least:.1f} to {points(most)}"
        found["smallest detectable difference"] = f"{span}, found in 80 % of studies with so many seeds"
    if np.isfinite(error := tables["scores"].test_error.max()):
        found["test images alone"] = (
            f"leave a score uncertain by {points(error)} (one standard error), in all seeds alike"
        )
    chosen = fits[fits.chosen.astype(bool)]
    for row in chosen.itertuples():
        name = "held-out error" if len(chosen) == 1 else f"held-out error ({row.method}, {row.encoder})"
        found[name] = row.sentence
    return found
