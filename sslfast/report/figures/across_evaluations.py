"""Where two lines cross, the order of two methods depends on how encoders are evaluated.

Mean test macro-F1 of each method under each evaluation (the study's head, a linear probe, nearest neighbours,
fine-tuning), with 95 % intervals over seeds. It does not show what another evaluation would give.
"""

import numpy as np
import pandas as pd

from ...analysis.evaluations import in_order
from ...analysis.words import count
from ...study.names import RANDOM, SUPERVISED
from ...study.stage_table import evaluations
from ..drawing.series import CONTROL, Row, finish, methods, panels, score_text
from ..drawing.style import METHOD_STYLES, METRIC_NAMES, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

REFERENCES = {  # colour, marker, dash
    RANDOM: (CONTROL, "o", ":"),
    "pixels": ("#777777", "x", ":"),
    SUPERVISED: ("#000000", "s", "--"),
}
ROOM = 0.6  # share of the distance between two evaluations over which intervals are spread, so that none is hidden


def draw(scores: pd.DataFrame, metric: str) -> Drawing:
    """Mean test `metric` with 95 % intervals under each evaluation: rows of panels are u, columns l, lines methods.

    `scores`: the table of `evaluation_scores`. A method without a result under an evaluation has no point there.
    """
    us, shown = sorted(scores.u.unique()), in_order(scores.evaluate.unique())
    figure, made = panels(scores, height=2.9, rows=us)
    styles = _styles(scores)
    apart = min(0.07, ROOM / len(styles))
    handles = {}
    for panel in made:
        axes, rows = panel.axes, panel.of(scores)
        rows = rows[(rows.u == panel.row) & (rows.n_seeds > 0)]
        for k, (method, (colour, marker, dash)) in enumerate(styles.items()):
            part = rows[rows.method == method].set_index("evaluate").reindex(shown).reset_index()
            part["at"] = np.arange(len(part)) + apart * (k - (len(styles) - 1) / 2)
            part = part[part["mean"].notna()]
            if part.empty:
                continue
            errors = np.array([part["mean"] - part.low, part.high - part["mean"]])  # NaN: too few seeds
            drawn = axes.errorbar(
                part["at"], part["mean"], errors, color=colour, marker=marker, ls=dash, ms=5, lw=1.3, capsize=2,
                elinewidth=1,
            )  # fmt: skip
            handles[{RANDOM: "random encoder", SUPERVISED: "supervised"}.get(method, method)] = drawn.lines[0]
            figure.note(drawn.lines[0], [_text(row, metric) for _, row in part.iterrows()])
        axes.set_xticks(range(len(shown)), [_tick(name) for name in shown], fontsize=8)
        axes.set_xlim(-0.4, len(shown) - 0.6)
        if panel.first:
            amount = scores.n_unlabelled[scores.u == panel.row].max()
            about = f"\n{count(amount)} unlabelled (u = {panel.row:g})" if len(us) > 1 else ""
            axes.set_ylabel(f"{METRIC_NAMES[metric]}, test{about}")
    finish(figure, made, None, None)
    columns = max(2, int(figure.get_figwidth() / 1.25))  # a name takes about an inch
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)
    return figure


def _styles(scores: pd.DataFrame) -> dict[str, tuple]:
    """Colour, marker and dash of each method: ways of pre-training first, then controls and the baseline."""
    present = set(scores.method)
    learned = [name for name in methods(scores) if name not in REFERENCES]
    styles = {name: METHOD_STYLES[i % len(METHOD_STYLES)] for i, name in enumerate(learned)}
    return styles | {name: style for name, style in REFERENCES.items() if name in present}


def _tick(evaluation: str) -> str:
    known = evaluations()
    return known[evaluation].label if evaluation in known else evaluation


def _text(row: pd.Series, metric: str) -> str:
    rank = f"; {row['rank']:g} of {row.n_ranked:.0f} by {row.evaluate}"
    return score_text(Row(row), METRIC_NAMES[metric]) + rank


def _caption(m: Material) -> str:
    order = m.whole.tables["evaluation_order"]
    told = order[order.n_evaluations > 1].sort_values(["n_opposite", "n_labelled"], ascending=False)
    if told.empty:
        claim = "No method has results under two evaluations."
    else:
        rest = f" ({len(told) - 1} more in tables/evaluation_order.csv)" if len(told) > 1 else ""
        claim = f"{told.sentence.iloc[0]}{rest}"
    return (
        f"{claim} Where two lines cross, the order of two methods changes; {m.interval}; {m.base}. It does not show"
        " what another head, or a head trained for longer, would give."
    )


FIGURE = Figure(
    heading="Evaluated in other ways",
    part="against",
    place=3,
    category="Verdict",
    says=lambda m: m.whole.tables["evaluations"].evaluate.nunique() > 1,
    draw=lambda m: draw(m.shown.tables["evaluations"], m.metric),
    numbers=lambda m: m.shown.tables["evaluations"],
    caption=_caption,
)
