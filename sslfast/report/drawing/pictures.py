"""Images side by side, as figures show them."""

import numpy as np

from ...analysis.words import count
from ...study.examples import Outcome, smaller
from ...study.records import Spec

__all__ = ["GAP", "TWO_CELLS", "bare", "sheet", "title", "unlabelled", "who"]

SIDE = 128  # pixels of an image, at most
GAP = 2  # white pixels between images
TWO_CELLS = (
    "One run each: the best and the worst by test macro-F1 among those with a frozen encoder. It does not show what"
    " other runs do."
)


def title(name: str, outcome: Outcome) -> str:
    """Which cell a panel is about, and its score."""
    spec = outcome.spec
    data = f"{count(spec.n_unlabelled)} unlabelled images, {count(spec.n_labelled)} labels"
    return f"{name}: {spec.method}, {spec.encoder}, {data}, seed {spec.seed}; macro-F1 {outcome.macro_f1:.3f}"


def sheet(rows: list[np.ndarray]) -> tuple[np.ndarray, tuple[int, int]]:
    """Rows of images `[K, H, W, C]` side by side on white, uint8 `[h, w, 3]`, and the pixels from one to the next, down
    and across.

    Large images are made smaller, so that a page of many stays light.
    """
    rows = [smaller(row, SIDE) for row in rows]
    n, down, across = max(map(len, rows)), rows[0].shape[1] + GAP, rows[0].shape[2] + GAP
    drawn = np.full((len(rows) * down - GAP, n * across - GAP, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            drawn[y * down : y * down + image.shape[0], x * across : x * across + image.shape[1]] = image
    return drawn, (down, across)


def bare(axes) -> None:
    """Take ticks and frame off."""
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def unlabelled(spec: Spec) -> float:
    """The unlabelled fraction of an encoder; NaN for what saw none."""
    return float("nan") if spec.u is None else float(spec.u)


def who(spec: Spec) -> dict:
    """The encoder that a row of numbers is about."""
    return {
        "encoder": spec.encoder,
        "method": spec.method,
        "u": unlabelled(spec),
        "n_unlabelled": spec.n_unlabelled,
    }
