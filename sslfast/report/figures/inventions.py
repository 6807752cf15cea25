"""Images that networks generate from random numbers: samples, and what changes along single latents.

One seed. Realistic images do not prove a good encoder.
"""

import matplotlib
import numpy as np
import pandas as pd

from ...analysis.words import count
from ...study.examples import Examples
from ..drawing.pictures import bare, sheet, unlabelled, who
from ..drawing.style import STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

MOST = 8  # panels


def draw(examples: Examples) -> Drawing:
    """One panel per encoder and kind: `samples` in one row, `traversals` with one row per latent."""
    largest = {}
    for made in sorted(examples.invented, key=lambda p: unlabelled(p.spec)):
        largest[made.kind, made.spec.encoder, made.spec.method] = made
    shown = list(largest.values())[:MOST]
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.2, sum(0.45 + 0.75 * len(_rows(p.images)) for p in shown))))
        ratios = [0.45 + 0.75 * len(_rows(p.images)) for p in shown]
        panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for axes, made in zip(panels, shown, strict=True):
        drawn, (_, step) = sheet(_rows(made.images))
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


def _numbers(m: Material) -> pd.DataFrame:
    made = m.examples.invented
    return pd.DataFrame([{**who(p.spec), "kind": p.kind, "images": int(np.prod(p.images.shape[:-3]))} for p in made])


def _caption(m: Material) -> str:
    kinds = sorted({p.kind for p in m.examples.invented})
    return (
        f"Images that networks generate from random numbers: {' and '.join(kinds)}. One seed, each network with its"
        " most unlabelled images. Realistic images do not prove a good encoder."
    )


FIGURE = Figure(
    heading="What networks invent",
    part="images",
    place=3,
    category="Images",
    says=lambda m: bool(m.examples.invented),
    draw=lambda m: draw(m.examples),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
