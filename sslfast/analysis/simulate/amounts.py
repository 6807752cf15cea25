"""Judges statements about amounts: what unlabelled data is worth in labels, and how much data is enough."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ...study.names import SUPERVISED
from ..contrasts import contrasts
from ..data_needed import data_needed
from ..equivalence import label_equivalence
from .worlds import WORLDS, Study, cells_of

__all__ = ["SHAPES", "judge_needed", "judge_worth"]

FINE = 4001  # points of a curve, between which the truth is interpolated
NEAR = 0.005  # a target this little above the score of the smallest amount may wrongly be taken for reached there
WORTH = np.geomspace(0.35, 3, 5)  # times the labels used, at the levels of u: the truth lies anywhere between levels
FIVE_TIMES = (0.0008, 0.004, 0.02, 0.1, 0.5)


def _worth(baseline: Callable) -> dict[str, Callable]:
    """The gains of an encoder that is worth `WORTH` times the labels, at any number of labels."""
    levels = np.array(WORLDS["power laws"].unlabelled)
    return {"autoencoder": lambda x, y: baseline(x * np.interp(np.log(y), np.log(levels), WORTH)) - baseline(x)}


def _hill(x: np.ndarray, middle: float, steepness: float) -> np.ndarray:
    """An S-shaped curve in log x, from 0 to 1."""
    return 1 / (1 + (x / middle) ** -steepness)


_CURVES = {  # scores of the baseline, at shares of the most labels
    "power": lambda x: 0.75 - 0.12 * (x**-0.25 - 1),
    "power with offset": lambda x: 0.75 - 0.03 * ((x + 0.003) ** -0.5 - 1),
    "logarithmic": lambda x: 0.7 + 0.08 * np.log10(x),
    "exponential": lambda x: 0.7 - 0.35 * np.exp(-4 * x),
    "S-shaped": lambda x: 0.3 + 0.4 * _hill(x, 10**-0.8, 3 / np.log(10)),
    "strong S-shape": lambda x: 0.3 + 0.4 * _hill(x, 10**-0.8, 8 / np.log(10)),
    "ceiling": lambda x: 0.995 - 0.004 * (x**-0.5 - 1),
}
SHAPES = {  # worlds with three or five numbers of labels, each five times the one before
    world.name: world
    for name, curve in _CURVES.items()
    for n in (3, 5)
    for world in [
        replace(
            WORLDS["power laws"], name=f"{name}, {n} levels five times apart", baseline=curve, gains=_worth(curve),
            labelled=FIVE_TIMES[-n:],
        )
    ]
}  # fmt: skip
SHAPES["power, missing runs"] = replace(
    WORLDS["missing runs"], name="power, missing runs", gains=_worth(WORLDS["missing runs"].baseline)
)


def judge_worth(study: Study) -> Iterator[tuple[str, bool]]:
    """Do intervals of the worth in labels cover the truth? How many are narrow? Is any 'more' or 'fewer' false?"""
    cells, world = cells_of(study), study.world
    x, false = _fine(world.labelled), False
    amounts, curve = x * study.grids[0].n_labelled[-1], world.baseline(x)
    against = contrasts(cells, "test_accuracy", image_noise=_image_noise(study))
    for row in label_equivalence(cells, "test_accuracy", contrasts=against).itertuples():
        score = study.truth[row.method][
            np.searchsorted(world.labelled, row.l), np.searchsorted(world.unlabelled, row.u)
        ]
        truth = np.interp(score, curve, np.log(amounts), -np.inf, np.inf)
        side = np.sign(np.round(truth - np.log(row.n_labelled), 3))
        false |= ("worth more" in row.sentence and side <= 0) or ("worth fewer" in row.sentence and side >= 0)
        if np.isnan(row.low):
            continue
        low, high = _told(row)
        yield "covers worth in labels", low - 1e-3 <= truth <= high + 1e-3
        if np.isfinite(truth):
            yield "settled worth within a factor of two", row.high <= 2 * row.low
    yield "false worth more or fewer", false


def _told(row) -> tuple[float, float]:
    """The interval of a row of `label_equivalence`, in log labels; `< 900` stands for any number below 900."""
    end = re.search(r"[<>] ([\d,]+)", row.text)
    most = np.log(float(end[1].replace(",", ""))) if end else np.nan
    low = -np.inf if row.low == 0 else most if np.isinf(row.low) else np.log(row.low)
    return low, np.inf if np.isinf(row.high) else most if row.high == 0 else np.log(row.high)


def judge_needed(study: Study) -> Iterator[tuple[str, bool]]:
    """Is the amount that is called enough with 80 % assurance truly enough? And 'the least that was tried'?"""
    world = study.world
    every = np.concatenate([study.baseline, *[truth.ravel() for truth in study.truth.values()]])
    targets = [*np.linspace(every.min(), every.max(), 8)[1:-1], study.baseline[0] + NEAR / 2]
    rows = data_needed(cells_of(study), targets).itertuples()
    for row in rows:
        if np.isnan(row.n_assured):
            continue
        x = _fine(world.labelled if row.of == "l" else world.unlabelled)
        if row.of == "u":
            curve = world.score(row.method, np.full_like(x, row.value / world.labelled[-1]), x)
        elif row.method == SUPERVISED:
            curve = world.baseline(x)
        else:
            curve = world.score(row.method, x, np.full_like(x, row.value / world.unlabelled[-1]))
        amounts = x * (study.grids[0].n_labelled[-1] if row.of == "l" else study.grids[0].n_unlabelled[-1, -1])
        if curve[0] < row.target < curve.max():
            enough = np.interp(np.log(row.n_assured), np.log(amounts), curve) >= row.target - 1e-6
            yield f"holds enough along {row.of}", enough or np.isinf(row.n_assured)
        if curve[0] < row.target < curve[0] + NEAR:
            yield "holds the least that was tried is enough", "is enough" not in row.sentence


def _image_noise(study: Study) -> pd.DataFrame:
    """The table of `image_variance` for the comparisons with the baseline; a real study makes it from predictions."""
    rows = [
        {"encoder": grid.encoder, "method": grid.method, "l": label, "u": u, "other": SUPERVISED,
         "test_accuracy": study.image_variance[grid.method][i, j]}
        for grid in study.grids for i, label in enumerate(grid.labelled) for j, u in enumerate(grid.unlabelled)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _fine(levels: tuple[float, ...]) -> np.ndarray:
    """Many shares of the largest level, from that of the smallest level to 1."""
    return np.geomspace(levels[0] / levels[-1], 1, FINE)
