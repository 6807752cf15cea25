"""Training images of each class as networks see them: first as they are, then as augmentation changes them.

Of more than twelve classes, the first six and those with most and fewest images; unlabelled images come last. What is
cut off, black, or upside down here is so in training, too.
"""

import textwrap

import matplotlib
import numpy as np
import pandas as pd

from ...study.examples import Examples
from ...study.image_size import sides_of
from ..drawing.pictures import GAP, bare, sheet
from ..drawing.style import STYLE, Drawing, short
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]

WIDTH = 8.2  # inches
SIDE = 40  # pixels of an image, at least about so many
LINES = 3  # of a name
LETTERS = 110  # of names side by side that fit into it


def draw(examples: Examples) -> Drawing:
    """A column an image, named by class; the image as it is, and below it what augmentation makes of it."""
    seen = examples.seen
    larger = max(1, SIDE // max(seen.images.shape[2:4]))  # else the gaps between small images are wide
    drawn, (down, step) = sheet(list(seen.images.repeat(larger, axis=2).repeat(larger, axis=3)))
    inches = min(1.0, (WIDTH - 1) / len(seen.labels))
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(WIDTH, max(2.1, 0.45 + inches * len(seen.images) * down / step)))
        figure.set_layout_engine("constrained", w_pad=0.1)
        axes = figure.subplots()
    axes.imshow(drawn, interpolation="none")
    for label in dict.fromkeys(seen.labels.tolist()):
        at = np.flatnonzero(seen.labels == label)
        name = textwrap.wrap(_name(examples, label), max(4, round(LETTERS * len(at) / len(seen.labels))))[:LINES]
        lines = "\n".join(map(short, name))
        axes.text((at.mean() + 0.5) * step - GAP / 2, -GAP, lines, ha="center", va="bottom", fontsize=8)
    rows = ["as it is", *["augmented"] * (len(seen.images) - 1)]
    axes.set_yticks([(y + 0.5) * down - GAP / 2 for y in range(len(rows))], rows)
    bare(axes)
    return figure


def _numbers(m: Material) -> pd.DataFrame:
    seen = m.examples.seen
    rows = zip(seen.labels.tolist(), seen.images[0], strict=True)
    return pd.DataFrame(
        {"class": _name(m.examples, label), "darkest": image.min(), "mean": image.mean(), "brightest": image.max()}
        for label, image in rows
    )


def _caption(m: Material) -> str:
    seen, n_classes = m.examples.seen, len(m.examples.classes)
    changed = ", then as augmentation changes them" if len(seen.images) > 1 else ""
    high, wide = sides_of(seen.side)
    smaller = f", shown at {seen.images.shape[2]}" if seen.images.shape[2] < high else ""
    which = f" Of {n_classes:,} classes, some, with the largest and the smallest." if n_classes > 12 else ""
    flat = int((np.ptp(seen.images[0], axis=(1, 2, 3)) == 0).sum())
    alike = f" All over of one colour: {flat} of them; look at such files." if flat else ""
    return (
        f"This is all that networks get to see: {high} × {wide} pixels{smaller}. {len(seen.labels)} training"
        f" images, first as they are{changed}.{which}{alike} What is cut off, black or upside down here is so in"
        " training, too."
    )


def _name(examples: Examples, label: int) -> str:
    return "unlabelled" if label < 0 else examples.classes[label]


FIGURE = Figure(
    heading="Images as networks see them",
    part="made_of",
    place=1,
    category="Images",
    says=lambda m: len(m.examples.seen.labels) > 0,
    draw=lambda m: draw(m.examples),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
