"""How long training took until the score on validation images first reached the threshold of the config.

Also in seconds, pre-training included. Bars are medians, labelled by how many seeds reached the threshold; there is no
bar if half of the seeds or fewer did. Seconds depend on the machine that trained.
"""

import numpy as np
import pandas as pd

from ...analysis.units import EPOCHS, UPDATES, Unit
from ..drawing.series import CROWDED, all_series, bars, finish, panels, write_above
from ..drawing.style import METRIC_NAMES, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(times: pd.DataFrame, cells: pd.DataFrame, metric: str, threshold: float, unit: Unit = EPOCHS) -> Drawing:
    """Training until the threshold, in `unit` and in seconds, as bars labelled by how many seeds reached it.

    There is no bar if half of the seeds or fewer did.
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


def _numbers(m: Material) -> pd.DataFrame:
    # with a budget of updates, the numbers of validations are no epochs
    unsaid = [f"{of}epochs" for of in ("", "restricted_", "budget_")] if m.whole.unit == UPDATES else []
    return m.shown.tables["time_to_threshold"].drop(columns=unsaid)


def _caption(m: Material) -> str:
    times, s = m.whole.tables["time_to_threshold"], m.whole.settings
    name = f"{METRIC_NAMES[s.threshold_metric]} {s.threshold:g}"
    never = int((times.n_reached == 0).sum())
    claim = f"{never} of {len(times)} settings never reached {name}." if never else f"Every setting reached {name}."
    return (
        f"{claim} {m.whole.unit.many.capitalize()} and seconds until the validation score reached it: bars are medians"
        f" over seeds, labelled by how many reached it; no bar if half or fewer did. Seconds are wall-clock on"
        f" {m.machine}; other machines differ."
    )


FIGURE = Figure(
    heading="Time to the threshold",
    part="time",
    place=1,
    category="Time",
    says=lambda m: m.any_score,
    draw=lambda m: draw(
        m.shown.tables["time_to_threshold"],
        m.shown.cells,
        m.whole.settings.threshold_metric,
        m.whole.settings.threshold,
        m.whole.unit,
    ),
    numbers=_numbers,
    caption=_caption,
)
