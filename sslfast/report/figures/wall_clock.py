"""How long a cell takes to train: pre-training and, stacked on it, the classifier, in mean seconds over seeds.

All labelled fractions share an encoder (unless the pool is 'rest'), so its time is spent once. Jobs may run at the same
time, so seconds do not add up to waiting time.
"""

import numpy as np
import pandas as pd

from ..drawing.series import bars, finish, panels, setting
from ..drawing.style import Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(scores: pd.DataFrame, cells: pd.DataFrame) -> Drawing:
    """Seconds of training per cell, as bars: the classifier stacked on pre-training."""
    figure, made = panels(cells, height=2.6)
    handles = {}
    for panel, x, _, row in bars(made, scores, cells):
        below, spent = row.seconds_pretrain, row.seconds_classify
        if not np.isfinite(below):
            continue
        handles["pre-training"] = panel.axes.bar(x, below, color="#0072B2", width=0.8)
        bar = panel.axes.bar(x, spent, bottom=below, color="#E69F00", hatch="//", edgecolor="white", width=0.8)
        handles["classifier, or supervised training"] = bar
        text = f"{setting(row)}: {below:.3g} s of pre-training, {spent:.3g} s of the classifier"
        for drawn in (handles["pre-training"], bar):
            figure.note(drawn[0], [text])
    finish(figure, made, "seconds of training", (list(handles.values()), list(handles)))
    return figure


def _numbers(m: Material) -> pd.DataFrame:
    columns = ["encoder", "l", "method", "u", "n_seeds", "seconds_pretrain", "seconds_classify"]
    return m.shown.tables["scores"][columns]


def _caption(m: Material) -> str:
    return (
        f"{_share(m.whole.tables['scores'])} Mean seconds of training per cell: below, pre-training (shared by"
        f" all labelled fractions, unless the pool is 'rest'); above, the classifier; {m.seeds}, {m.machine}. Jobs may"
        " run at the same time, so it does not show how long the study took."
    )


def _share(scores: pd.DataFrame) -> str:
    learned = scores[(scores.seconds_pretrain > 0)]
    if learned.empty:
        return "Nothing was pre-trained."
    share = (learned.seconds_pretrain / (learned.seconds_pretrain + learned.seconds_classify)).max()
    return f"Pre-training takes up to {100 * share:.0f} % of the time of a cell, if no other cell shares its encoder."


FIGURE = Figure(
    heading="Wall-clock",
    part="time",
    place=2,
    category="Time",
    says=lambda m: bool(m.whole.tables["scores"].seconds_pretrain.notna().any()),
    draw=lambda m: draw(m.shown.tables["scores"], m.shown.cells),
    numbers=_numbers,
    caption=_caption,
)
