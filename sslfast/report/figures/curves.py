"""Scores as curves: against the amount of unlabelled data, and in the course of training."""

import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter, MaxNLocator

from ...analysis.checks import CELL_KEY, RANDOM, SUPERVISED
from ...analysis.units import UPDATES, unit_of
from ...analysis.words import count
from .series import (
    CROWDED,
    Row,
    all_series,
    apart,
    finish,
    legend_lines,
    methods,
    panels,
    positions,
    score_text,
    setting,
)
from .style import METHOD_STYLES, METRIC_NAMES, Drawing

__all__ = ["against_unlabelled", "in_training", "training_curves"]

ONE_SIZE = 1.02  # ratio of the images an update of two lines, below which one axis tells them for both


def against_unlabelled(scores: pd.DataFrame, plateau: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Drawing:
    """Test `metric` against the number of unlabelled images: seeds as dots, mean and interval, baseline as band.

    The plateau of each method is marked where it is shown; else the panel says that it is not.
    """
    figure, made = panels(cells, height=3.0)
    handles = {}
    for panel in made:
        rows, runs = panel.of(scores), panel.of(cells)
        baseline = rows[(rows.method == SUPERVISED) & (rows.n_seeds > 0)]
        if len(baseline):
            base = baseline.iloc[0]
            handles["supervised"] = panel.axes.axhline(base["mean"], color="black", ls="--", lw=1.2)
            figure.note(handles["supervised"], [score_text(Row(base), METRIC_NAMES[metric])])
            panel.axes.axhspan(base["low"], base["high"], color="black", alpha=0.08, lw=0)
        ticks = np.unique(np.concatenate([[], rows.u.dropna()]))
        for m, method in enumerate(methods(cells)):
            colour, marker, dash = METHOD_STYLES[m % len(METHOD_STYLES)]
            curve = rows[rows.method.isin([method, RANDOM])].sort_values("u")
            curve = curve[curve.n_seeds > 0]
            dots = runs[runs.method.isin([method, RANDOM])]
            x = positions(curve.u, pd.Series(ticks))
            (line,) = panel.axes.plot(x, curve["mean"], marker=marker, mfc="white", ms=5, color=colour, ls=dash, lw=1.4)
            handles[method] = line
            figure.note(line, [score_text(Row(row), METRIC_NAMES[metric]) for _, row in curve.iterrows()])
            panel.axes.fill_between(x, curve["low"], curve["high"], color=colour, alpha=0.15, lw=0)
            seen = positions(dots.u, pd.Series(ticks))
            panel.axes.plot(seen, dots[f"test_{metric}"], ".", color=colour, alpha=0.6, ms=4)
            _mark_plateau(panel, plateau, method, colour, m, ticks)
        at = positions(pd.Series(ticks), pd.Series(ticks))
        panel.axes.set_xticks(at, apart(at, [f"{u:g}" for u in ticks]))
        if panel.last:
            panel.axes.set_xlabel("unlabelled fraction u (0: random encoder)")
    finish(figure, made, f"{METRIC_NAMES[metric]}, test", (list(handles.values()), list(handles)))
    return figure


def _mark_plateau(panel, plateau: pd.DataFrame, method: str, colour: str, m: int, ticks: np.ndarray) -> None:
    rows = panel.of(plateau)
    rows = rows[rows.method == method]
    if rows.empty:
        return
    row = rows.iloc[0]
    if not row.shown and plateau.method.nunique() > 1:  # said once a method, it would cover the panel
        return
    text = "plateau not shown"
    if row.shown:
        x = positions(pd.Series([row.u]), pd.Series(ticks))[0]
        panel.axes.axvline(x, color=colour, lw=1, ls=":")
        text = f"plateau from {count(row.n_unlabelled)}" if row.u else "plateau from 0"
    panel.axes.annotate(
        text, (0.98, 0.02 + 0.07 * m), xycoords="axes fraction", ha="right", va="bottom", fontsize=8, color="#444444",
        bbox={"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
    )  # fmt: skip


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
    """Validation `metric` against updates or epochs: a panel a labelled fraction, a line an unlabelled fraction.

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
