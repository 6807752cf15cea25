"""To the right of 0, a frozen, pre-trained encoder beats the supervised baseline.

Where an interval contains 0, no difference is shown. Test macro-F1 with the most unlabelled images, paired by seed,
with 95 % intervals. At the right of each row: how many labels the baseline needs for the same score, as a multiple of
those used. It does not show what another way of pre-training would do.
"""

import matplotlib
import numpy as np
import pandas as pd

from ...analysis.words import count, points, range_of_points, seeds
from ...study.names import SUPERVISED
from ..drawing.style import METHOD_STYLES, METRIC_NAMES, STYLE, Drawing
from ..figure import Figure
from ..material import Material

__all__ = ["FIGURE", "draw"]


def draw(contrasts: pd.DataFrame, equivalence: pd.DataFrame, metric: str, delta: float) -> Drawing:
    """Self-supervised minus supervised in points, paired by seed, at each method's most unlabelled images.

    Only primary comparisons are shown. At the right of each, l_eq / l: how many labels the baseline needs for the same
    score, as a multiple of those used. Within the grey band, differences are too small to be worth having.
    """
    key = ["encoder", "method", "l", "u"]
    rows = contrasts[contrasts.primary].merge(equivalence[[*key, "ratio", "text"]], on=key, how="left")
    ways = sorted({(row.encoder, row.method) for row in rows.itertuples()})
    amounts = sorted(rows.n_labelled.unique())
    height = 1.1 + (0.22 + 0.24 * max(1, len(ways))) * max(1, len(amounts))
    with matplotlib.rc_context(STYLE):
        figure = Drawing(figsize=(8.2, max(2.2, height)))
        axes = figure.subplots()
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color="black", ls="--", lw=1.2)
    axes.axvspan(-100 * delta, 100 * delta, color="black", alpha=0.07, lw=0)
    for k, (encoder, method) in enumerate(ways):
        part = rows[(rows.encoder == encoder) & (rows.method == method) & (rows.n_seeds > 0)]
        colour, marker, _ = METHOD_STYLES[k % len(METHOD_STYLES)]
        y = np.array([amounts.index(n) for n in part.n_labelled]) + _offset(k, len(ways))
        errors = 100 * np.array([part.difference - part.low, part.high - part.difference])  # NaN: too few seeds
        drawn = axes.errorbar(
            100 * part.difference,
            y,
            xerr=errors,
            fmt=marker,
            color=colour,
            capsize=3,
            ms=6,
            label=f"{method}, {encoder}" if (part.u > 0).any() else f"{method} (existing net), {encoder}",
        )
        figure.note(drawn.lines[0], [_text(row, metric) for row in part.itertuples()])
        for at, row in zip(y, part.itertuples(), strict=True):
            worth = f"{row.ratio:.2g}×" if np.isfinite(row.ratio) else row.text.split(" [")[0]
            axes.annotate(
                worth, (1.02, at), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False
            )
    axes.annotate(
        "worth in labels\n(l$_{eq}$ / l)",
        (1.02, 1.0),
        xycoords="axes fraction",
        va="bottom",
        fontsize=8,
        color="#444444",
    )
    axes.set_yticks(range(len(amounts)), [f"{count(n)} labels" for n in amounts])
    axes.set_ylim(max(1, len(amounts)) - 0.4, -0.6)
    axes.set_xlabel(f"self-supervised − supervised, points of test {METRIC_NAMES[metric]}")
    axes.annotate("← supervised better", (0, 1.01), xycoords="axes fraction", fontsize=8, color="#444444")
    axes.annotate("pre-trained better →", (1, 1.01), xycoords="axes fraction", ha="right", fontsize=8, color="#444444")
    if len(ways) > 1:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _offset(k: int, n: int) -> float:
    return (k - (n - 1) / 2) * 0.7 / n


def _text(row, metric: str) -> str:
    change = f"{100 * row.difference:+z.1f} points{range_of_points(row.low, row.high)}"
    return (
        f"{_who(row)},"
        f" {count(row.n_labelled)} labels (l = {row.l:g}): {change} of {METRIC_NAMES[metric]} against supervised,"
        f" {seeds(row.n_seeds)}; worth {row.text} labels"
    )


def _who(row) -> str:
    images = f"{row.encoder} encoder, {count(row.n_unlabelled)} unlabelled images (u = {row.u:g})"
    return f"{row.method}, {images if row.u else 'an existing net'}"


def _caption(m: Material) -> str:
    return (
        f"{m.whole.verdict.headline} Each method with the most unlabelled images, paired by seed, {m.interval} (the"
        f" verdict is also corrected for the number of comparisons); {m.base}. Grey: less than"
        f" {points(m.whole.settings.delta)}, not worth having. It does not show what another way of pre-training would"
        " do."
    )


def _numbers(m: Material) -> pd.DataFrame:
    contrasts = m.shown.tables["contrasts"]
    return contrasts[contrasts.against == SUPERVISED]


FIGURE = Figure(
    heading="Self-supervised against supervised",
    part="against",
    place=1,
    category="Verdict",
    says=lambda m: bool((m.whole.tables["contrasts"].primary & (m.whole.tables["contrasts"].n_seeds > 0)).any()),
    draw=lambda m: draw(
        m.shown.tables["contrasts"], m.shown.tables["label_equivalence"], m.metric, m.whole.settings.delta
    ),
    numbers=_numbers,
    caption=_caption,
    every=True,
)
