"""Time: until a score was reached, and of training altogether."""

import numpy as np
import pandas as pd

from ...analysis.units import EPOCHS, UPDATES, Unit
from .series import CROWDED, all_series, bars, finish, panels, setting, write_above
from .style import METRIC_NAMES, Drawing

__all__ = ["time_to_threshold", "wall_clock"]


def time_to_threshold(
    times: pd.DataFrame, cells: pd.DataFrame, metric: str, threshold: float, unit: Unit = EPOCHS
) -> Drawing:
    """Training to the threshold, in `unit` and in seconds, as bars: labelled by how many seeds got there.

    There is no bar where too few did.
    """
    figure, made = panels(cells, height=2.6, rows=(unit.many, "seconds_with_pretrain"))
    crowded = len(all_series(cells)) > CROWDED
    for panel, x, series, row in bars(made, times, cells):
        value = row[panel.row]
        if np.isfinite(value):
            (bar,) = panel.axes.bar(x, value, color=series.colour, hatch=series.hatch, edgecolor="white", width=0.8)
            needed = unit.said(value) if panel.row == unit.many else f"{value:.3g} s with pre-training"
            figure.note(bar, [f"{needed}. {row.sentence}"])
        height = value if np.isfinite(value) else 0
        write_above(panel.axes, f"{row.n_reached:.0f}/{row.n_seeds:.0f}", x, height, crowded)
    label = f"to {METRIC_NAMES[metric]} {threshold:g}"
    names = {unit.many: f"{unit.many} {label}", "seconds_with_pretrain": f"seconds {label},\npre-training included"}
    for panel in made:
        if panel.first:
            panel.axes.set_ylabel(names[panel.row])
        if panel.row == UPDATES.many:
            panel.axes.yaxis.set_major_formatter("{x:,.0f}")
    finish(figure, made, None, None)
    return figure


def wall_clock(scores: pd.DataFrame, cells: pd.DataFrame) -> Drawing:
    """Seconds of training a cell: pre-training stacked under the classifier."""
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
