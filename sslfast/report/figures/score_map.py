"""Which amounts of labels and of unlabelled images lead to the same score.

Lines of equal test macro-F1, if a fitted surface predicts held-out cells well enough (hatched areas are beyond what was
measured); otherwise only the measured cells. Means over seeds. It does not show how seeds differ.
"""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from ...analysis.score_grids import Grid, grids
from ...analysis.surface import Surface, fit_surface, surface_points
from ...analysis.words import count, points
from ...study.names import RANDOM, SUPERVISED
from ..drawing.series import Row, score_text
from ..drawing.style import METRIC_NAMES, STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

LIGHT = 0.55  # value of the colour map cividis above which black text is easier to read than white
REACH = 2.0  # a trusted surface is drawn up to so many times the largest amounts


def draw(cells: pd.DataFrame, scores: pd.DataFrame, surface: pd.DataFrame, metric: str) -> Drawing:
    """One panel per (encoder, method).

    A surface that passes the held-out check is drawn as lines of equal test `metric`, with dots at the measured cells
    and hatching beyond them. Otherwise the panel is a table of the measured cells.
    """
    made = _pretrained(cells, metric)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        ratios = [_height(grid, surface) for grid in made]
        figure = Drawing(figsize=(8.2, 0.4 + sum(ratios)))
        axes = figure.subplots(len(made), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for ax, grid in zip(axes, made, strict=True):
        row, measured = _chosen(grid, surface), surface_points(grid)
        ours = scores[scores.encoder == grid.encoder]
        if row is None or measured is None:
            _table(figure, ax, grid, ours, metric)
        else:
            _contours(figure, ax, grid, ours, row, measured, metric)
        if grid.title:
            ax.set_title(grid.title, fontsize=9, loc="left")
    return figure


def _pretrained(cells: pd.DataFrame, metric: str) -> list[Grid]:
    return [grid for grid in grids(cells, f"test_{metric}") if grid.learns]


def _chosen(grid: Grid, surface: pd.DataFrame) -> pd.Series | None:
    """The row of the chosen surface if it may be trusted, else None."""
    rows = surface[(surface.encoder == grid.encoder) & (surface.method == grid.method) & surface.chosen.astype(bool)]
    return rows.iloc[0] if len(rows) and bool(rows.extrapolate.iloc[0]) else None


def _height(grid: Grid, surface: pd.DataFrame) -> float:
    return max(2.0, 0.9 + 0.42 * len(grid.labelled)) if _chosen(grid, surface) is None else 4.2


def _contours(
    figure: Drawing, axes, grid: Grid, scores: pd.DataFrame, row: pd.Series, measured: tuple, metric: str
) -> None:
    i, j, runs, _ = measured
    n_l, n_u = grid.n_labelled[i], grid.n_unlabelled[i, j]
    fit: Surface = fit_surface(n_l, n_u, runs.mean(axis=0)[:, None], row.form)
    u = np.geomspace(0.85 * n_u.min(), REACH * n_u.max(), 60)
    l = np.geomspace(0.85 * n_l.min(), REACH * n_l.max(), 60)  # noqa: E741
    height = np.array([[fit.scores(b, a)[0] for a in u] for b in l])
    shown = axes.contourf(u, l, height, levels=12, cmap="cividis")
    levels = shown.levels[::2]
    ink = ["white" if shown.norm(level) < LIGHT else "black" for level in levels]
    lines = axes.contour(u, l, height, levels=levels, colors=ink, linewidths=0.8)
    axes.clabel(lines, fontsize=8, fmt="%.2f")
    for corner, width, tall in (
        ((n_u.max(), l[0]), n_u.max() * (REACH - 1), l[-1] - l[0]),
        ((u[0], n_l.max()), n_u.max() - u[0], n_l.max() * (REACH - 1)),
    ):
        axes.add_patch(Rectangle(corner, width, tall, fill=False, hatch="//", edgecolor="white", lw=0, alpha=0.6))
    cells = scores[(scores.method == grid.method) & (scores.n_seeds > 0)]
    (dots,) = axes.plot(cells.n_unlabelled, cells.n_labelled, "o", ms=5, mfc="white", mec="black", ls="none")
    figure.note(dots, [score_text(Row(cell), METRIC_NAMES[metric]) for _, cell in cells.iterrows()])
    axes.set(xscale="log", yscale="log", xlabel="unlabelled images", ylabel="labels")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    bar = figure.colorbar(shown, ax=axes, pad=0.01)
    bar.set_label(f"test {METRIC_NAMES[metric]}, fitted")


def _table(figure: Drawing, axes, grid: Grid, scores: pd.DataFrame, metric: str) -> None:
    """Measured cells as coloured squares with their score, or `none` for a setting without a result."""
    columns = [(SUPERVISED, np.nan)] if np.isfinite(grid.baseline).any() else []
    columns += [(grid.start if u == 0 else grid.method, u) for u in grid.unlabelled]
    finite = scores["mean"].dropna()
    scale = matplotlib.colors.Normalize(*((finite.min(), finite.max()) if len(finite) else (0, 1)))
    colours, crowded = matplotlib.colormaps["cividis"], len(columns) > 9
    for y, label in enumerate(grid.labelled):
        for x, (method, u) in enumerate(columns):
            rows = scores[(scores.method == method) & (scores.l == label) & ((scores.u == u) | np.isnan(u))]
            known = len(rows) and rows.n_seeds.iloc[0] > 0
            value = rows["mean"].iloc[0] if known else np.nan
            face = colours(scale(value)) if known else "white"
            box = axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=face, ec="white", hatch="" if known else "xx"))
            if known:
                figure.note(box, [score_text(Row(rows.iloc[0]), METRIC_NAMES[metric])])
            ink = "black" if not known or scale(value) > LIGHT else "white"
            text = f"{value:.{2 if crowded else 3}f}" if known else "none"
            axes.text(x, y, text, ha="center", va="center", fontsize=7 if crowded else 9, color=ink)
    names = {SUPERVISED: "super-\nvised", grid.start: "0\n(random)" if grid.start == RANDOM else f"0\n({grid.start})"}
    axes.set_xticks(range(len(columns)), [names.get(method, f"{u:g}") for method, u in columns])
    axes.set_yticks(range(len(grid.labelled)), [f"{count(n)} labels" for n in grid.n_labelled])
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-0.5, len(grid.labelled) - 0.5)
    axes.set_xlabel(f"unlabelled fraction u  (squares: mean test {METRIC_NAMES[metric]}; nothing between is fitted)")
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def _caption(m: Material) -> str:
    surface = m.whole.tables["surface"]
    chosen = surface[surface.chosen.astype(bool)]
    trusted = chosen[chosen.extrapolate.astype(bool)]
    if len(trusted) < len(chosen) or chosen.empty:
        why = chosen[~chosen.extrapolate.astype(bool)].sentence.tolist()[:1]
        text = " ".join(["Only measured cells are shown.", *why])
        return f"{text} Squares show means of test macro-F1; {m.base}."
    error = np.nanmax(trusted[["held_out_l", "held_out_u"]].to_numpy())
    return (
        f"Along a line the score is the same. The lines are of a fitted surface that predicted held-out cells within"
        f" {points(error)}; dots were measured, hatched areas are beyond them; {m.base}. It does not show how seeds"
        " differ."
    )


FIGURE = Figure(
    heading="Score by both amounts of data",
    part="amounts",
    place=1,
    category="Data needed",
    says=lambda m: m.any_score and bool(_pretrained(m.whole.cells, m.metric)),
    draw=lambda m: draw(m.shown.cells, m.shown.tables["scores"], m.shown.tables["surface"], m.metric),
    numbers=lambda m: m.shown.tables["scores"][
        ["encoder", "l", "method", "u", "n_labelled", "n_unlabelled", "mean", "low", "high"]
    ],
    caption=_caption,
    every=True,
)
