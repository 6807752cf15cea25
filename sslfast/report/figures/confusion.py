"""Which classes the best and the worst cell confuse, in percent of the test images of the true class.

Best and worst by test macro-F1, among the cells with a frozen encoder. One run each; it does not show what other runs
do.
"""

import matplotlib
import numpy as np
import pandas as pd

from ...study.examples import Examples
from ..drawing.pictures import TWO_CELLS, title
from ..drawing.style import STYLE, Drawing, short
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

READABLE = 20  # classes up to which numbers and names are written


def draw(examples: Examples) -> Drawing:
    """One panel per cell: rows are true classes, columns predicted ones, in percent of the images of the true class."""
    n = len(examples.classes)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        size = 0.9 + (0.3 * min(n, READABLE) if n <= READABLE else 4.5)
        figure = Drawing(figsize=(8.2, max(2.2, size * len(examples.outcomes))))
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


def _numbers(m: Material) -> pd.DataFrame:
    names = m.examples.classes
    counts = [
        {"cell": cell, "true": names[y], "predicted": names[x], "test_images": n}
        for cell, outcome in m.examples.outcomes.items()
        for y, row in enumerate(outcome.confusion)
        for x, n in enumerate(row)
        if n  # of 1,000 classes, a million pairs are none
    ]
    return pd.DataFrame(counts)


def _caption(m: Material) -> str:
    return f"{_confused(m.examples)} Percent of the test images of the true class (the row). {TWO_CELLS}"


def _confused(examples: Examples) -> str:
    counts = np.array(examples.outcomes["best"].confusion, float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    true, predicted = np.unravel_index(share.argmax(), share.shape)
    names = examples.classes
    if not share.any():
        return "The best cell confuses no classes."
    return f"The most frequent confusion of the best cell: {share.max():.0%} of {names[true]} as {names[predicted]}."


FIGURE = Figure(
    heading="Which classes are taken for which",
    part="images",
    place=4,
    category="Images",
    says=lambda m: bool(m.examples.outcomes),
    draw=lambda m: draw(m.examples),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
