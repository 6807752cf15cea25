"""Where images lie in the features of each encoder, in two dimensions, coloured by class."""

import math

import matplotlib
import numpy as np

from ...analysis.words import count
from ..examples import Embedding, Examples
from .series import MARKERS
from .style import STYLE, Drawing, short

__all__ = ["embeddings"]

ACROSS, MOST = 3, 12  # panels a row, and at most
NAMED = 20  # classes up to which they have a legend


def embeddings(examples: Examples) -> Drawing:
    """A panel an encoder, a dot a validation image: close together are images that the encoder finds alike."""
    shown = _largest(examples.embeddings)
    n_rows, n_classes = max(1, math.ceil(len(shown) / ACROSS)), len(examples.classes)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.4, 0.7 + 2.7 * n_rows)))
        if not shown:
            figure.text(0.5, 0.5, "no encoder finished", ha="center")
            return figure
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
    """Of each method and encoder the one of most unlabelled images; where there is one method, all of its amounts."""
    if len({(e.spec.method, e.spec.encoder) for e in found}) > 1:
        found = list(
            {(e.spec.encoder, e.spec.method): e for e in sorted(found, key=lambda e: float(e.spec.u))}.values()
        )
    kept = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST)).round().astype(int)) if found else []
    return [found[k] for k in kept]
