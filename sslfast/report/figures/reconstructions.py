"""The same validation images in every row: as they are, then as the decoder of each encoder rebuilds them.

Rows are ordered by the number of unlabelled images that trained the encoder; one seed. A better reconstruction does not
prove a better encoder.
"""

import matplotlib
import pandas as pd

from ...analysis.words import count, fraction
from ...study.examples import Examples, rmse
from ..drawing.pictures import GAP, bare, sheet, unlabelled, who
from ..drawing.style import STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(examples: Examples) -> Drawing:
    """Each column is a validation image: as it is, then as the decoder of each encoder rebuilds it."""
    several = len({(r.spec.encoder, r.spec.method) for r in examples.rebuilt}) > 1
    rows, names = [examples.originals[: examples.n_shown]], ["as they are"]
    for r in examples.rebuilt:
        rows.append(r.images[: examples.n_shown])
        who = f"{r.spec.encoder}, {r.spec.method}, " if several else ""
        names.append(f"{who}u = {fraction(unlabelled(r.spec))}\n{count(r.spec.n_unlabelled)} images")
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.2, 0.3 + 0.85 * len(rows))))
        # room at the sides, since a browser's letters may be wider than the measured ones
        figure.set_layout_engine("constrained", w_pad=0.2)
        axes = figure.subplots()
    drawn, (step, _) = sheet(rows)
    axes.imshow(drawn, interpolation="none")
    axes.set_yticks([(y + 0.5) * step - GAP / 2 for y in range(len(rows))], names)
    bare(axes)
    return figure


def _numbers(m: Material) -> pd.DataFrame:
    originals = m.examples.originals
    return pd.DataFrame([who(r.spec) | {"rmse_of_these": rmse(r.images, originals)} for r in m.examples.rebuilt])


def _caption(m: Material) -> str:
    return (
        f"{_sharper(m.examples)} The same {m.examples.n_shown} validation images in every row, without augmentation, of"
        " one seed. A better reconstruction does not prove a better encoder."
    )


def _sharper(examples: Examples) -> str:
    spec = examples.rebuilt[0].spec
    alike = [r for r in examples.rebuilt if (r.spec.encoder, r.spec.method) == (spec.encoder, spec.method)]
    few, many = (f"{count(r.spec.n_unlabelled)} unlabelled images" for r in (alike[0], alike[-1]))
    first, last = (rmse(r.images, examples.originals) for r in (alike[0], alike[-1]))
    if len(alike) == 1:
        return f"With {few}, these images are rebuilt to an RMSE of {first:.3f}."
    return f"From {few} to {many}, the error on these images goes from RMSE {first:.3f} to {last:.3f}."


FIGURE = Figure(
    heading="What encoders rebuild",
    part="images",
    place=2,
    category="Images",
    says=lambda m: bool(m.examples.rebuilt),
    draw=lambda m: draw(m.examples),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
