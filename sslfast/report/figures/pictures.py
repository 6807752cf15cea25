"""Images that a study made or mistook: reconstructions by amount of unlabelled data, and confident mistakes."""

import matplotlib
import numpy as np

from ...analysis.words import count, fraction
from ..examples import Examples, Outcome
from .style import STYLE, Drawing, short

__all__ = ["bare", "mistakes", "reconstructions", "sheet", "title"]

GAP = 2  # white pixels between images


def reconstructions(examples: Examples) -> Drawing:
    """The same validation images in every column: as they are, then as each encoder's decoder rebuilds them."""
    several = len({(r.spec.encoder, r.spec.method) for r in examples.rebuilt}) > 1
    rows, names = [examples.originals[: examples.n_shown]], ["as they are"]
    for r in examples.rebuilt:
        rows.append(r.images[: examples.n_shown])
        who = f"{r.spec.encoder}, {r.spec.method}, " if several else ""
        names.append(f"{who}u = {fraction(float(r.spec.u))}\n{count(r.spec.n_unlabelled)} images")
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.2, 0.3 + 0.85 * len(rows))))
        if not examples.rebuilt:
            figure.text(0.5, 0.5, "no encoder of this study rebuilds images", ha="center")
            return figure
        figure.get_layout_engine().set(w_pad=0.2)  # a browser's letters may be wider than those that were measured
        axes = figure.subplots()
    drawn, step = sheet(rows)
    axes.imshow(drawn, interpolation="none")
    axes.set_yticks([(y + 0.5) * step - GAP / 2 for y in range(len(rows))], names)
    bare(axes)
    return figure


def mistakes(examples: Examples) -> Drawing:
    """The wrong answers that the best and the worst cell gave with most confidence, the images themselves."""
    shown = {name: outcome for name, outcome in examples.outcomes.items() if outcome.mistakes}
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Drawing(figsize=(8.2, max(2.2, 1.95 * len(shown))))
        if not shown:
            figure.text(0.5, 0.5, "no cell made a mistake" if examples.outcomes else "no cell finished", ha="center")
            return figure
        panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (name, outcome) in zip(panels, shown.items(), strict=True):
        drawn, step = sheet([outcome.images])
        axes.imshow(drawn, interpolation="none")
        for at, mistake in enumerate(outcome.mistakes):
            predicted, true = (short(examples.classes[mistake[key]]) for key in ("predicted", "true"))
            text = f"{predicted}\n{mistake['confidence']:.0%}\nis {true}"
            axes.text((at + 0.5) * step - GAP / 2, drawn.shape[0] + 1, text, ha="center", va="top", fontsize=8)
        axes.set_title(title(name, outcome), fontsize=9, loc="left")
        axes.set_yticks([])
        bare(axes)
    return figure


def title(name: str, outcome: Outcome) -> str:
    """Which cell a panel is about, and its score."""
    spec = outcome.spec
    data = f"{count(spec.n_unlabelled)} unlabelled images, {count(spec.n_labelled)} labels"
    return f"{name}: {spec.method}, {spec.encoder}, {data}, seed {spec.seed}; macro-F1 {outcome.macro_f1:.3f}"


def sheet(rows: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """Rows of images `[K, H, W, C]` side by side on white, uint8 `[h, w, 3]`, and the pixels from one to the next."""
    n, step = max(map(len, rows)), rows[0].shape[1] + GAP
    drawn = np.full((len(rows) * step - GAP, n * step - GAP, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            drawn[y * step : y * step + image.shape[0], x * step : x * step + image.shape[1]] = image
    return drawn, step


def bare(axes) -> None:
    """Take ticks and frame off."""
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
