"""The wrong predictions that the best and the worst cell made with the highest confidence.

Under each image: the predicted class, its confidence (softmax), and the true class. A mistake that looks right may be a
wrong label. Best and worst by test macro-F1, among the cells with a frozen encoder; one run each.
"""

import matplotlib
import pandas as pd

from ...study.examples import Examples
from ..drawing.pictures import GAP, TWO_CELLS, bare, sheet, title
from ..drawing.style import STYLE, Drawing, short
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(examples: Examples) -> Drawing:
    """One row of images per cell: the wrong predictions with the highest confidence."""
    shown = {name: outcome for name, outcome in examples.outcomes.items() if outcome.mistakes}
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.2, 1.95 * len(shown))))
        panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (name, outcome) in zip(panels, shown.items(), strict=True):
        drawn, (_, step) = sheet([outcome.images])
        axes.imshow(drawn, interpolation="none")
        for at, mistake in enumerate(outcome.mistakes):
            predicted, true = (short(examples.classes[mistake[key]]) for key in ("predicted", "true"))
            text = f"{predicted}\n{mistake['confidence']:.0%}\nis {true}"
            axes.text((at + 0.5) * step - GAP / 2, drawn.shape[0] + 1, text, ha="center", va="top", fontsize=8)
        axes.set_title(title(name, outcome), fontsize=9, loc="left")
        axes.set_yticks([])
        bare(axes)
    return figure


def _numbers(m: Material) -> pd.DataFrame:
    names = m.examples.classes
    wrong = [
        {"cell": cell, "test_image": w["image"], "true": names[w["true"]], "predicted": names[w["predicted"]]}
        | {"confidence": w["confidence"]}
        for cell, outcome in m.examples.outcomes.items()
        for w in outcome.mistakes
    ]
    return pd.DataFrame(wrong)


def _caption(m: Material) -> str:
    surest = max(w["confidence"] for outcome in m.examples.outcomes.values() for w in outcome.mistakes)
    return (
        f"Wrong predictions with a confidence of up to {surest:.0%}. Under each image: the predicted class, its"
        f" confidence (softmax), and the true class. A mistake that looks right may be a wrong label. {TWO_CELLS}"
    )


FIGURE = Figure(
    heading="The most confident mistakes",
    part="images",
    place=5,
    category="Images",
    says=lambda m: any(outcome.mistakes for outcome in m.examples.outcomes.values()),
    draw=lambda m: draw(m.examples),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
