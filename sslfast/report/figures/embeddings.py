"""Validation images, placed in two dimensions (t-SNE) by their features in each encoder, and coloured by class.

One seed. Distances between groups, and the sizes of groups, mean little.
"""

import math

import matplotlib
import numpy as np
import pandas as pd

from ...analysis.words import count
from ...study.examples import Embedding, Examples
from ..drawing.pictures import unlabelled, who
from ..drawing.series import MARKERS
from ..drawing.style import STYLE, Drawing, short
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

ACROSS, MOST = 3, 12  # panels per row, and in all
NAMED = 20  # with more classes there is no legend


def draw(examples: Examples) -> Drawing:
    """One panel per encoder, one dot per validation image; images with similar features are close together."""
    shown = _largest(examples.embeddings)
    n_rows, n_classes = max(1, math.ceil(len(shown) / ACROSS)), len(examples.classes)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.4, 0.7 + 2.7 * n_rows)))
        panels = figure.subplots(n_rows, ACROSS, squeeze=False).ravel()
    colours = matplotlib.colormaps["tab20" if n_classes > 10 else "tab10"]
    for axes, found in zip(panels, shown, strict=False):
        for k in range(n_classes):
            points = found.points[found.classes == k]
            axes.plot(*points.T, MARKERS[k % len(MARKERS)], ms=3, mew=0, color=colours(k % 20), alpha=0.8)
        spec = found.spec
        axes.set_title(f"{spec.method}, {spec.encoder}\n{count(spec.n_unlabelled)} images", fontsize=8)
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    if n_classes <= NAMED:
        handles = [
            matplotlib.lines.Line2D([], [], marker=MARKERS[k % len(MARKERS)], ls="", ms=5, color=colours(k % 20))
            for k in range(n_classes)
        ]
        names = [short(name) for name in examples.classes]
        figure.legend(handles, names, loc="outside lower center", ncols=min(5, n_classes), fontsize=8, frameon=False)
    return figure


def _largest(found: list[Embedding]) -> list[Embedding]:
    """For each method and encoder, the largest number of unlabelled images; for a single method, all numbers."""
    if len({(e.spec.method, e.spec.encoder) for e in found}) > 1:
        found = list(
            {(e.spec.encoder, e.spec.method): e for e in sorted(found, key=lambda e: unlabelled(e.spec))}.values()
        )
    kept = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST)).round().astype(int))
    return [found[k] for k in kept]


def _numbers(m: Material) -> pd.DataFrame:
    names = m.examples.classes
    points = [
        {**who(e.spec), "class": names[k], "x": x, "y": y}
        for e in m.examples.embeddings
        for (x, y), k in zip(e.points.tolist(), e.classes.tolist(), strict=True)
    ]
    return pd.DataFrame(points)


def _caption(m: Material) -> str:
    n = len(m.examples.embeddings[0].points)
    return (
        f"Where classes form separate groups, few labels are enough. Each dot is a validation image of one seed,"
        f" {count(n)} in each panel; t-SNE puts images with similar features close together. Distances between groups,"
        " and the sizes of groups, mean little."
    )


FIGURE = Figure(
    heading="What encoders find alike",
    part="images",
    place=1,
    category="Images",
    says=lambda m: bool(m.examples.embeddings),
    draw=lambda m: draw(m.examples),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
