"""Images that networks made out of nothing: samples, and what changes along single latents."""

import matplotlib
import numpy as np

from ...analysis.words import count
from ..examples import Examples
from .pictures import bare, sheet
from .style import STYLE, Drawing

__all__ = ["inventions"]

MOST = 8  # panels: the largest u of each method and encoder comes first


def inventions(examples: Examples) -> Drawing:
    """A panel an encoder and kind: `samples` in one row, `traversals` a row a latent."""
    largest = {}
    for made in sorted(examples.invented, key=lambda p: float(p.spec.u)):
        largest[made.kind, made.spec.encoder, made.spec.method] = made
    shown = list(largest.values())[:MOST]
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.2, sum(0.45 + 0.75 * len(_rows(p.images)) for p in shown))))
        if not shown:
            figure.text(0.5, 0.5, "no network of this study makes images out of nothing", ha="center")
            return figure
        ratios = [0.45 + 0.75 * len(_rows(p.images)) for p in shown]
        panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for axes, made in zip(panels, shown, strict=True):
        drawn, step = sheet(_rows(made.images))
        axes.imshow(drawn, interpolation="none")
        who = f"{made.spec.method}, {made.spec.encoder}, {count(made.spec.n_unlabelled)} unlabelled images"
        along = "; a row changes one latent, from low to high" if made.kind == "traversals" else ""
        axes.set_title(f"{made.kind}: {who}{along}", fontsize=9, loc="left")
        axes.set_yticks([])
        bare(axes)
        axes.set_xlim(-0.5, max(drawn.shape[1], 8 * step) - 0.5)
    return figure


def _rows(images: np.ndarray) -> list[np.ndarray]:
    return list(images) if images.ndim == 5 else [images]
