"""Which classes the best and the worst cell take for which."""

import matplotlib
import numpy as np

from ..examples import Examples
from .pictures import title
from .style import STYLE, Drawing, short

__all__ = ["confusion"]

READABLE = 20  # classes up to which numbers and names are written


def confusion(examples: Examples) -> Drawing:
    """A panel a cell: a row a true class, a column a predicted one, in percent of the images of the true class."""
    n = len(examples.classes)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        size = 0.9 + (0.3 * min(n, READABLE) if n <= READABLE else 4.5)
        figure = Drawing(figsize=(8.2, max(2.2, size * len(examples.outcomes))))
        if not examples.outcomes:
            figure.text(0.5, 0.5, "no cell finished", ha="center")
            return figure
        panels = figure.subplots(len(examples.outcomes), 1, squeeze=False)[:, 0]
    for axes, (name, outcome) in zip(panels, examples.outcomes.items(), strict=True):
        counts = np.array(outcome.confusion, float)
        share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="cividis", vmin=0, vmax=100, interpolation="none", aspect="auto")
        axes.set_title(title(name, outcome), fontsize=9, loc="left")
        axes.set_ylabel("true class")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if n > READABLE:
            axes.set_xlabel("predicted class")
            continue
        names = [short(c) for c in examples.classes]
        axes.set_yticks(range(n), names)
        axes.set_xticks(range(n), names, rotation=30, ha="right", rotation_mode="anchor")
        for y in range(n):
            for x in range(n):
                ink = "black" if share[y, x] > 55 else "white"
                axes.text(x, y, f"{share[y, x]:.0f}", ha="center", va="center", fontsize=8, color=ink)
    return figure
