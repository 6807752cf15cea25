"""Which way to spend the same labels scores best: the labels alone, own pre-training, an existing net, or both.

Test macro-F1 as mean over seeds with 95 % intervals, a panel for each number of labels; each method with the most
unlabelled images. At the right of each row: how many labels the labels alone would take for the same score. It does not
show what an existing net had cost before, or other nets would give.
"""

import matplotlib
import numpy as np
import pandas as pd

from ...analysis.arms import LABELS
from ...analysis.best_arms import cost
from ...analysis.words import count, points, range_of_points, seeds
from ..drawing.style import METHOD_STYLES, METRIC_NAMES, STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

ROOM = 0.35  # of the width of a panel, at its right, for numbers


def draw(arms: pd.DataFrame, metric: str) -> Drawing:
    """Scores of `arms` (see `sslfast.analysis.arms`): columns of panels are numbers of labels, rows encoders."""
    labels, encoders = sorted(arms.l.unique()), sorted(arms.encoder.unique())
    names, kinds = list(dict.fromkeys(arms.arm)), list(dict.fromkeys(arms.kind))
    with matplotlib.rc_context(STYLE):
        height = (0.9 + 0.32 * len(names)) * len(encoders) + 0.6
        figure = Drawing(figsize=(1.6 + 2.9 * len(labels), max(2.4, height)))
        panels = figure.subplots(len(encoders), len(labels), sharey=True, sharex=True, squeeze=False)
    for i, encoder in enumerate(encoders):
        for j, label in enumerate(labels):
            axes, rows = panels[i, j], arms[(arms.encoder == encoder) & (arms.l == label) & (arms.n_seeds > 0)]
            title = f"{count(arms.n_labelled[arms.l == label].iloc[0])} labels"
            axes.set_title(f"{title}\n{encoder}" if len(encoders) > 1 else title, fontsize=9)
            axes.grid(axis="y", visible=False)
            base = rows[rows.arm == LABELS]["mean"]
            if len(base):
                axes.axvline(base.iloc[0], color="black", ls="--", lw=1)
            for kind in kinds:
                part = rows[rows.kind == kind]
                if part.empty:
                    continue
                colour, marker, _ = METHOD_STYLES[kinds.index(kind) % len(METHOD_STYLES)]
                y = [names.index(name) for name in part.arm]
                errors = np.array([part["mean"] - part.low, part.high - part["mean"]])  # NaN: too few seeds
                drawn = axes.errorbar(
                    part["mean"], y, xerr=errors, fmt=marker, color=colour, capsize=3, ms=6, label=f"from {kind}"
                )
                figure.note(drawn.lines[0], [_text(row, metric) for row in part.to_dict("records")])
                for at, row in zip(y, part.itertuples(), strict=True):
                    if isinstance(row.worth, str) and row.outcome != "length":
                        _write(axes, row.worth.split(" [")[0], at)
            _write(axes, "worth in labels", -0.45)
            if i == len(encoders) - 1:
                axes.set_xlabel(f"{METRIC_NAMES[metric]}, test", fontsize=8)
    left, right = panels[0, 0].get_xlim()
    panels[0, 0].set_xlim(left, right + ROOM * (right - left))
    panels[0, 0].set_yticks(range(len(names)), names)
    panels[0, 0].set_ylim(len(names) - 0.4, -0.8)
    handles, told = panels[0, -1].get_legend_handles_labels()
    figure.legend(handles, told, loc="outside lower center", ncols=min(4, len(told)), fontsize=8, frameon=False)
    return figure


def _write(axes, text: str, y: float) -> None:
    axes.annotate(
        text, (0.99, y), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=7, color="#444444"
    )


def _text(row: dict, metric: str) -> str:
    interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if np.isfinite(row["low"]) else " (no interval)"
    text = f"{row['arm']}, {count(row['n_labelled'])} labels: {METRIC_NAMES[metric]} {row['mean']:.3f}{interval}"
    if np.isfinite(row["difference"]):
        change = range_of_points(row["difference_low"], row["difference_high"])
        text += f", {points(row['difference'], sign=True)}{change} against labels alone"
    if isinstance(row["worth"], str):
        text += f", worth {row['worth']} labels"
    spent = f", {cost(pd.Series(row))} a seed" if np.isfinite(row["seconds"]) else ""
    return f"{text}{spent}, {seeds(int(row['n_seeds']))}"


def _caption(m: Material) -> str:
    told = m.whole.tables["best_arms"].sentence
    return (
        f"{' '.join(told[:3])} Dashed: the labels alone. At the right: how many of them, alone, would give the same"
        f" score. Each method with the most unlabelled images; {m.interval} (verdicts are also corrected for all"
        f" comparisons of each way with each other); {m.base}. It does not show what an existing net had cost before."
    )


FIGURE = Figure(
    heading="Ways to spend the labels",
    part="against",
    place=0,
    category="Verdict",
    says=lambda m: "arms" in m.whole.tables,
    draw=lambda m: draw(m.whole.tables["arms"], m.metric),
    numbers=lambda m: m.whole.tables["arms"],
    caption=_caption,
    every=True,
)
