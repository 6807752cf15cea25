"""To the right of 0, a pre-trained encoder beats a control that learned nothing from the images.

Controls, as far as the study has them: a random encoder; the same encoder with the weights of each layer shuffled,
which keeps their sizes and loses what was learned; logistic regression on raw pixels. Differences of test scores at the
most labels, paired by seed.
"""

import matplotlib
import numpy as np
import pandas as pd

from ...analysis.controls import OTHER
from ...analysis.words import count, fraction, range_of_points, seeds
from ..drawing.style import METHOD_STYLES, METRIC_NAMES, STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(controls: pd.DataFrame, judged_by: str, metric: str) -> Drawing:
    """Each pre-trained encoder minus each control, in points, paired by seed, at the most labels and one evaluation."""
    rows = controls[(controls.evaluate == judged_by) & (controls.n_seeds > 0)]
    rows = rows[rows.l == rows.l.max()].sort_values(["encoder", "method", "u"], ignore_index=True)
    ways = list(dict.fromkeys(zip(rows.encoder, rows.method, rows.u, strict=True)))
    kinds = [name for name in OTHER if (rows.control == name).any()]
    with matplotlib.rc_context(STYLE):
        figure = Drawing(figsize=(8.2, max(2.2, 1.2 + 0.3 * len(ways))))
        axes = figure.subplots()
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color="black", ls="--", lw=1.2)
    for k, kind in enumerate(kinds):
        part = rows[rows.control == kind]
        colour, marker, _ = METHOD_STYLES[k]
        at = [ways.index(way) for way in zip(part.encoder, part.method, part.u, strict=True)]
        y = np.array(at) + (k - (len(kinds) - 1) / 2) * 0.6 / len(kinds)
        errors = 100 * np.array([part.difference - part.low, part.high - part.difference])
        drawn = axes.errorbar(
            100 * part.difference, y, xerr=errors, fmt=marker, color=colour, capsize=2, ms=5, label=f"minus {kind}"
        )
        figure.note(drawn.lines[0], [_text(row, metric) for row in part.itertuples()])
    several = len({encoder for encoder, _, _ in ways}) > 1
    amounts = [f"u = {fraction(u)}" if u else "existing net" for _, _, u in ways]
    names = [
        f"{method}, {f'{encoder}, ' if several else ''}{amount}"
        for (encoder, method, _), amount in zip(ways, amounts, strict=True)
    ]
    axes.set_yticks(range(len(ways)), names)
    axes.set_ylim(max(1, len(ways)) - 0.4, -0.6)
    labels = f", {count(rows.n_labelled.iloc[0])} labels" if len(rows) else ""
    axes.set_xlabel(f"pre-trained − control, points of test {METRIC_NAMES[metric]}{labels}")
    if kinds:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _text(row, metric: str) -> str:
    change = f"{100 * row.difference:+z.1f} points{range_of_points(row.low, row.high)}"
    return (
        f"{row.method}, {row.encoder} encoder, {count(row.n_unlabelled)} unlabelled images (u = {row.u:g}),"
        f" {count(row.n_labelled)} labels: {change} of {METRIC_NAMES[metric]} against {OTHER[row.control]},"
        f" {seeds(int(row.n_seeds))}"
    )


def _learned(m: Material) -> pd.DataFrame:
    table = m.whole.tables["controls"]
    return table[(table.n_seeds > 0) & (table.evaluate == m.whole.judged_by)]


def _caption(m: Material) -> str:
    learned = _learned(m)
    better, n = int((learned.outcome == "better").sum()), len(learned)
    return (
        f"Pre-trained encoders beat controls, which learned nothing, in {better} of {n} comparisons (corrected by"
        f" Holm's method). Shown: the most labels, paired by seed, {m.interval}; {m.base}. 'Shuffled' keeps the size of"
        " every weight and loses what was learned: if an encoder beats 'random' but not 'shuffled', the size of its"
        " weights explains it."
    )


FIGURE = Figure(
    heading="Against encoders that learned nothing",
    part="against",
    place=2,
    category="Verdict",
    says=lambda m: len(_learned(m)) > 0,
    draw=lambda m: draw(m.shown.tables["controls"], m.whole.judged_by, m.metric),
    numbers=lambda m: m.shown.tables["controls"],
    caption=_caption,
)
