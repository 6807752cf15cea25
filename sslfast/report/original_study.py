"""What the original study found on CIFAR-10, beside what a study of the same images, encoder and method finds."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..analysis.results import Results
from ..analysis.words import count
from ..study.names import SUPERVISED

__all__ = ["beside_original"]

CLASSES = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
ENCODER, METHOD, METRIC, THRESHOLD = "original", "autoencoder", "test_macro_f1", 0.4
# read off its plots, one run each: by labelled fraction macro-F1 of the baseline and of the autoencoder with the fewest
# and the most unlabelled images, and epochs until macro-F1 reaches the threshold
THEIRS = {
    0.1: ("≈ .40", ".32 → ≈ .38", "baseline 26, autoencoder never"),
    0.3: ("≈ .46", ".34 → ≈ .42", "baseline 4, autoencoder 9 to 28 from 9 % unlabelled up"),
    0.5: ("≈ .48", ".35 → ≈ .43", "baseline 3, autoencoder 6 to 15 from 10 % unlabelled up"),
    0.9: ("≈ .50", "≈ .35 → ≈ .43", "–"),
}


def beside_original(results: Results, images: Mapping) -> pd.DataFrame:
    """One row per labelled fraction that both have, as text; none for a study of other images, encoders or methods.

    `images`: what the data set holds. Fractions are of all training images here, and there the unlabelled ones were
    fractions of the images without labels.
    """
    cells = results.cells[results.cells.encoder == ENCODER]
    asked = results.settings.metric == METRIC
    if set(images.get("classes", ())) != CLASSES or METHOD not in set(cells.method) or not asked:
        return pd.DataFrame()
    scores = results.tables["scores"].query("encoder == @ENCODER")
    times = results.tables.get("time_to_threshold", pd.DataFrame(columns=["encoder"])).query("encoder == @ENCODER")
    told = results.settings.threshold == THRESHOLD and results.settings.threshold_metric == "macro_f1"
    rows = []
    for label in sorted(set(scores.l) & set(THEIRS)):
        baseline, encoder, time = THEIRS[label]
        here = scores[scores.l == label].sort_values("u")
        ours = here[here.method == METHOD]
        base = here[here.method == SUPERVISED]
        row = {
            "labelled": f"{100 * label:g} %",
            "baseline, there": baseline,
            "here": _score(base.iloc[0]) if len(base) else "–",
            "autoencoder, there (1 % → 100 %)": encoder,
            f"here ({100 * ours.u.min():g} % → {100 * ours.u.max():g} %)": " → ".join(
                _score(row) for _, row in ours.iloc[[0, -1]].iterrows()
            ),
        }
        if told and len(times):
            row |= {
                "epochs to macro-F1 .40, there": time,
                f"{results.unit.many} here": _times(times[times.l == label], results.unit.many),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _score(row: pd.Series) -> str:
    text = f"{row['mean']:.3f}"
    return f"{text} [{row.low:.3f}, {row.high:.3f}]" if np.isfinite(row.low) else text


def _times(times: pd.DataFrame, unit: str) -> str:
    """`baseline 120, autoencoder 300 to 800`, medians over seeds; where not all seeds got there, how many."""
    parts = []
    for method, name in ((SUPERVISED, "baseline"), (METHOD, METHOD)):
        rows = times[times.method == method]
        reached = rows[rows[unit].notna()]
        if reached.empty:
            parts.append(f"{name} never")
            continue
        least, most = count(reached[unit].min()), count(reached[unit].max())
        some = f" with {len(reached)} of {len(rows)} amounts" if len(reached) < len(rows) else ""
        parts.append(f"{name} {least if least == most else f'{least} to {most}'}{some}")
    return ", ".join(parts)
