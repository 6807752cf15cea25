"""Where a line still rises at its right end, more unlabelled images may help; 'plateau from' marks where they stop.

Test macro-F1, one panel per number of labels. Dots are seeds, lines their means, shading 95 % intervals (with 3 seeds
or more); the dashed line and its band are the supervised baseline. It does not show what more data than was tried would
give.
"""

import numpy as np
import pandas as pd

from ...analysis.base_nets import frozen_nets, starts
from ...analysis.verdict import plateau_answers, unsure_ways
from ...analysis.words import count
from ...study.names import RANDOM, SUPERVISED
from ..drawing.series import (
    Row,
    apart,
    finish,
    methods,
    panels,
    positions,
    score_text,
)
from ..drawing.style import METHOD_STYLES, METRIC_NAMES, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(scores: pd.DataFrame, plateau: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Drawing:
    """Test `metric` against the unlabelled fraction: seeds as dots, means and intervals, the baseline as a band.

    A plateau is marked if it is shown to exist; otherwise the panel says that it is not shown.
    """
    figure, made = panels(cells, height=3.0)
    handles: dict = {}
    frozen, at_zero = frozen_nets(cells), starts(cells)
    at_zero |= {name: name for name in frozen}
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
            start = at_zero.get(method, RANDOM)
            curve = rows[rows.method.isin([method, start])].sort_values("u")
            curve = curve[curve.n_seeds > 0]
            dots = runs[runs.method.isin([method, start])]
            if method in frozen and len(curve):  # no unlabelled image changes it
                line = panel.axes.axhline(curve["mean"].iloc[0], color=colour, ls=dash, lw=1.2)
                handles[f"{method} (existing net)"] = line
                figure.note(line, [score_text(Row(curve.iloc[0]), METRIC_NAMES[metric])])
                panel.axes.axhspan(curve["low"].iloc[0], curve["high"].iloc[0], color=colour, alpha=0.08, lw=0)
                continue
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
    if not row.shown and plateau.method.nunique() > 1:  # one such line per method would cover the panel
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


def _caption(m: Material) -> str:
    whole = m.whole
    judged = f" {whole.judged}".rstrip()
    answers = plateau_answers(whole.tables["plateau"], whole.settings.delta, unsure_ways(whole.tables["contrasts"]))
    return (
        f"More unlabelled images? {' '.join(answers)} Dots are seeds, lines are means, the dashed line is the"
        f" supervised baseline; shading: {m.interval}; {m.base}.{judged} It does not show what more data than was tried"
        " would give."
    )


FIGURE = Figure(
    heading="F1 against unlabelled data",
    part="unlabelled",
    place=1,
    category="Accuracy",
    says=lambda m: m.any_score and ((m.whole.cells.u > 0).any() or not frozen_nets(m.whole.cells)),
    draw=lambda m: draw(m.shown.tables["scores"], m.shown.tables["plateau"], m.shown.cells, m.metric),
    numbers=lambda m: m.shown.tables["scores"].drop(columns=["seconds_pretrain", "seconds_classify"]),
    caption=_caption,
)
