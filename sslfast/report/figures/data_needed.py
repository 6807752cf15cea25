"""The least data that reaches each target accuracy.

Above, the fewest labels of the grid with which the mean test accuracy over seeds reaches the target; below, the fewest
unlabelled images; 'not reached' if no amount of the grid does. Nothing is interpolated.
"""

import matplotlib
import numpy as np
import pandas as pd

from ..drawing.series import CROWDED, all_series, methods, name_bars, write_above
from ..drawing.style import STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(needed: pd.DataFrame, cells: pd.DataFrame) -> Drawing:
    """Labelled images needed for each target accuracy by u, and unlabelled ones by l; no bar where not reached."""
    encoders, targets = sorted(cells.encoder.unique()), sorted(needed.target.unique())
    kinds = [(encoder, given) for encoder in encoders for given in ("u", "l")]
    with matplotlib.rc_context(STYLE):
        figure = Drawing(figsize=(max(4.5, 3.1 * len(targets)), 2.6 * len(kinds)))
        axes = figure.subplots(len(kinds), len(targets), sharey="row", squeeze=False)
        for i, (encoder, given) in enumerate(kinds):
            for j, target in enumerate(targets):
                part = needed[(needed.encoder == encoder) & (needed.target == target) & (needed.given == given)]
                _needed_bars(axes[i, j], part.rename(columns={"value": given}), given, cells)
                if given == "u":
                    name = f"accuracy {target:g}" + (f", {encoder}" if len(encoders) > 1 else "")
                    axes[i, j].set_title(name, fontsize=9)
            axes[i, 0].set_ylabel(("labelled" if given == "u" else "unlabelled") + " images needed")
    return figure


def _needed_bars(axes, part: pd.DataFrame, given: str, cells: pd.DataFrame) -> None:
    every = all_series(cells)
    if given == "u":
        bars = [(series.of(part), series.colour, series.hatch) for series in every]
        name_bars(axes, every, last=True)
    else:
        labels = sorted(cells.l.unique())
        bars = [(part[(part.l == v) & (part.method == m)], "#0072B2", "") for m in methods(cells) for v in labels]
        axes.set_xticks(range(len(bars)), [f"{v:g}" for _ in methods(cells) for v in labels], fontsize=8)
        axes.set_xlim(-0.6, len(bars) - 0.4)
        axes.set_xlabel("labelled fraction l")
    for x, (row, colour, hatch) in enumerate(bars):
        count = row.n_needed.iloc[0] if len(row) else float("nan")
        if np.isfinite(count):
            (bar,) = axes.bar(x, count, color=colour, hatch=hatch, edgecolor="white", width=0.8)
            axes.figure.note(bar, [row.sentence.iloc[0]])
            write_above(axes, f"{count:,.0f}", x, count, len(every) > CROWDED)
        else:
            axes.annotate(
                "not reached", (x, 0), (0, 4), textcoords="offset points", rotation=90, ha="center", va="bottom",
                fontsize=7, color="#555555", annotation_clip=False,
            )  # fmt: skip


def _caption(m: Material) -> str:
    needed = m.whole.tables["data_needed"]
    reached = needed[needed.n_needed.notna()].target
    top = f"{reached.max():g} is the highest target that was reached" if len(reached) else "No target was reached"
    targets = ", ".join(f"{target:g}" for target in sorted(needed.target.unique()))
    return (
        f"{top} (of {targets}). Above, the fewest labels of the grid with which the mean test accuracy reaches the"
        f" target, by unlabelled fraction; below, the fewest unlabelled images, by labelled fraction (0: a random"
        f" encoder is enough). {m.base}. Nothing is interpolated: an amount between two of the grid may be enough."
    )


FIGURE = Figure(
    heading="Data needed for a given accuracy",
    part="amounts",
    place=2,
    category="Data needed",
    says=lambda m: len(m.whole.tables["data_needed"]) > 0,
    draw=lambda m: draw(m.shown.tables["data_needed"], m.shown.cells),
    numbers=lambda m: m.shown.tables["data_needed"],
    caption=_caption,
)
