"""Scores in the course of training, as curves: what the two figures of training share."""

import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter, MaxNLocator

from ...analysis.checks import CELL_KEY
from ...analysis.scores import best_setting
from ...analysis.units import UPDATES, unit_of
from ...analysis.words import count
from ...study.names import SUPERVISED
from ..material import Material
from .series import CROWDED, all_series, finish, legend_lines, panels, setting
from .style import METRIC_NAMES, Drawing

__all__ = ["best_of_the_grid", "caption", "in_training", "training_curves"]

ONE_SIZE = 1.02  # ratio of the images an update of two lines, below which one axis tells them for both


def training_curves(history: pd.DataFrame, cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a setting and validation: mean, least and most `metric` over the runs that finished.

    Beside them how far the training had come: the column of the study's unit (`updates` or `epoch`) and `images` seen.
    Only finished runs: a mean over fewer seeds after one stops would jump.
    """
    finished = cells.loc[cells.status == "ok", [*CELL_KEY, "n_labelled", "n_unlabelled"]]
    runs, column = history.merge(finished, on=CELL_KEY), unit_of(cells, history).column
    key = ["encoder", "l", "n_labelled", "method", "u", "n_unlabelled"]
    groups = runs.assign(moment=runs.epoch).groupby([*key, "moment"], dropna=False)
    length = {column: (column, "mean"), "images": ("images", "mean")}
    curves = groups.agg(**length, mean=(metric, "mean"), least=(metric, "min"), most=(metric, "max"))
    return curves.reset_index().drop(columns="moment")


def in_training(history: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Drawing:
    """Validation `metric` against updates or epochs: one panel per labelled fraction, one line per unlabelled fraction.

    An update is no fixed number of images: above the axis of a panel stands how many were seen.
    """
    figure, made = panels(cells, height=3.0)
    unit, curves, every = unit_of(cells, history), training_curves(history, cells, metric), all_series(cells)
    for panel in made:
        part = panel.of(curves)
        for series in every:
            curve = series.of(part)
            if curve.empty:
                continue
            length = curve[unit.column]
            (line,) = panel.axes.plot(length, curve["mean"], **series.line(), lw=1.4)
            last = curve.iloc[-1]
            end = f"{METRIC_NAMES[metric]} {last['mean']:.3f} on validation images after {unit.said(last[unit.column])}"
            seen = f" ({count(last.images)} images seen)" if np.isfinite(last.images) else ""
            figure.note(line, [f"{setting(last)}: {end}{seen}"])
            if len(every) <= CROWDED:  # a dozen bands over each other show nothing
                panel.axes.fill_between(length, curve.least, curve.most, color=series.colour, alpha=0.12, lw=0)
        panel.axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if unit == UPDATES:
            panel.axes.xaxis.set_major_formatter("{x:,.0f}")
            _images_above(panel, part)
        if panel.last:
            panel.axes.set_xlabel(unit.many)
    finish(figure, made, f"{METRIC_NAMES[metric]}, validation", legend_lines(cells))
    return figure


def _images_above(panel, curves: pd.DataFrame) -> None:
    """An axis of images seen above that of updates, where the lines of the panel had batches of one size."""
    ends = curves.groupby(["method", "u"], dropna=False).tail(1)
    sizes = (ends.images / ends.updates).dropna()
    if sizes.empty or not 0 < sizes.max() <= ONE_SIZE * sizes.min():
        return
    size = sizes.mean()
    above = panel.axes.secondary_xaxis("top", functions=(lambda x: x * size, lambda x: x / size))
    above.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    above.xaxis.set_major_formatter(EngFormatter(sep=""))
    above.tick_params(labelsize=7)
    above.set_xlabel("images seen", fontsize=7)


def caption(m: Material, claim: str) -> str:
    """The `claim` of a figure of training, with what the figure shows."""
    by_updates = ""
    if m.whole.unit == UPDATES:
        by_updates = (
            " An update is one step of the optimiser, over one batch. Where all lines of a panel have the same batch"
            " size, the axis above counts the images seen, repeats included."
        )
    return (
        f"{claim} Means over seeds on validation images, shaded from the lowest to the highest seed (if there are few"
        f" lines), without runs that did not finish; {m.seeds}.{by_updates} Test scores are in the figures above, not"
        " here."
    )


def best_of_the_grid(cells: pd.DataFrame, metric: str) -> str:
    """Which setting has the highest mean, and how it scores in seeds that did not choose it."""
    found = best_setting(cells, metric)
    if found is None:
        return "No run finished."
    (encoder, label, method, _), score = found
    n_labelled = cells.n_labelled[(cells.encoder == encoder) & (cells.l == label)].iloc[0]
    who = "the supervised baseline" if method == SUPERVISED else method
    best = f"The highest mean of the grid is that of {who} with {count(n_labelled)} labels"
    if not np.isfinite(score):
        return f"{best}; as the highest of many means, it is partly chance."
    name = METRIC_NAMES.get(metric.removeprefix("test_"), metric)
    return f"{best}. Scoring each seed in the setting that the other seeds choose, the mean test {name} is {score:.3f}."
