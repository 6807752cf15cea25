"""Label equivalence: how many labels would the supervised baseline need to score the same?"""

import numpy as np
import pandas as pd

from ..study.names import RANDOM
from .curves import amount_bounds, amount_for, mean_draws
from .intervals import MIN_SEEDS, quantile
from .score_grids import Grid, each_label, grids
from .words import about, count, evidence

__all__ = ["label_equivalence"]

ROUNDING = 1e-12  # a spread below this is that of identical scores
KEY = ["encoder", "method", "l", "u"]


def label_equivalence(
    cells: pd.DataFrame,
    metric: str = "test_macro_f1",
    contrasts: pd.DataFrame | None = None,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """What each pre-trained setting is worth in labels of the baseline: one row per (encoder, method, l, u).

    * `equivalent`: the number of labels with which the baseline reaches the same score, by inverting its curve
      (monotone PCHIP in log l). 0 stands for fewer than the baseline's fewest labels, infinity for more than its most:
      nothing is known beyond them, and `text` says `< 900` or `> 22,500`.
    * `low`, `high`: the interval at `level`. It covers chance (draws over whole seeds), what the curve may do between
      two numbers of labels (see `amount_bounds`; a jump may violate it) and, if `contrasts` has `image_se`, the choice
      of test images.
    * `ratio`: equivalent / labels used. `saved`: equivalent − labels used; negative if pre-training is worth less than
      nothing. Both have `_low` and `_high`, NaN if that bound is not known.
    * `n_seeds`: the fewest runs of any mean that is used here; below three, the bounds are NaN. `n_dropped`: the seeds
      that are missing there. Numbers of labels with fewer than three baseline runs are ignored, if others have three.
    * `sentence` says 'more' or 'fewer' only if the row of `contrasts` (columns encoder, method, l, u, primary,
      outcome), which is corrected for all comparisons, is primary, is `better` or `worse`, and the interval agrees.

    Source: Newell & Deng 2020, How useful is self-supervised pretraining for visual tasks?
    """
    outcomes, image_se = {}, {}
    if contrasts is not None:
        primary = contrasts[contrasts.primary.astype(bool)]
        outcomes = dict(zip(zip(*(primary[name] for name in KEY), strict=True), primary.outcome, strict=True))
        if "image_se" in contrasts:
            keys = zip(*(contrasts[name] for name in KEY), strict=True)
            image_se = dict(zip(keys, contrasts.image_se.fillna(0), strict=True))
    rows = [row for grid in grids(cells, metric) for row in _rows_of(grid, outcomes, image_se, level)]
    columns = ["encoder", "method", "l", "n_labelled", "u", "n_unlabelled", "equivalent", "low", "high", "text"]
    columns += ["ratio", "ratio_low", "ratio_high", "saved", "saved_low", "saved_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_seeds", "n_dropped", "sentence"])


def _rows_of(grid: Grid, outcomes: dict[tuple, str], image_se: dict[tuple, float], level: float) -> list[dict]:
    """The rows of a grid. By `KEY`: `outcomes` of its primary comparisons, and `image_se` of all comparisons."""
    cells = [(i, j, row) for i, row in each_label(grid) for j in np.flatnonzero(np.isfinite(grid.n_unlabelled[i]))]
    if not cells:
        return []
    i, j = np.array([cell[0] for cell in cells]), np.array([cell[1] for cell in cells])
    runs = np.isfinite(grid.baseline).sum(axis=0)
    base = runs >= max(1, min(MIN_SEEDS, runs.max()))
    amounts, n_base = grid.n_labelled[base], int(base.sum())
    scores = np.concatenate([grid.baseline[:, base], grid.scores[:, i, j]], axis=1)
    n = np.minimum(np.isfinite(scores[:, n_base:]).sum(axis=0), runs[base].min() if n_base else 0)
    mean = np.nansum(scores, axis=0, keepdims=True) / np.maximum(np.isfinite(scores).sum(axis=0), 1)
    rows = [
        row | {"u": grid.unlabelled[b], "n_unlabelled": int(grid.n_unlabelled[a, b])}
        | {"n_seeds": int(k), "n_dropped": len(grid.seeds) - int(k)}
        for (a, b, row), k in zip(cells, n, strict=True)
    ]  # fmt: skip
    prefix, why = f"{grid.title}: " if grid.title else "", None
    if not n_base:
        why = "there is no supervised baseline"
    elif n_base > 1 and np.ptp(mean[:, :n_base]) == 0:
        why = "the baseline does not rise with them"
    else:
        estimate = amount_for(amounts, mean[:, :n_base], mean[:, n_base:])[0]
        draws = mean_draws(scores)
        by_images = np.array([image_se.get(tuple(row[name] for name in KEY), 0.0) for row in rows])
        draws[:, n_base:] += by_images * np.random.default_rng(1).standard_normal((len(draws), len(rows)))
        low, high = _interval(amounts, draws, estimate, n, level)
    found, start = [], "a random encoder" if grid.start == RANDOM else f"the existing net {grid.start}"
    for k, row in enumerate(rows):
        if why or not n[k]:
            text = f"{prefix}Worth in labels unknown: {why or 'no run of it has a result'}."
            found.append(row | {"text": "unknown", "sentence": text})
        else:
            outcome = outcomes.get(tuple(row[name] for name in KEY), "")
            found.append(row | _columns(row, prefix, start, amounts, outcome, estimate[k], low[k], high[k]))
    return found


def _interval(amounts: np.ndarray, draws: np.ndarray, estimate: np.ndarray, n: np.ndarray, level: float) -> tuple:
    """`(low, high)` around estimates `[M]`, from `draws` `[D, L + M]` of the baseline's and the cells' mean scores.

    NaN where a mean rests on too few seeds (`n` `[M]`).
    """
    bounds = amount_bounds(amounts, draws[:, : len(amounts)], draws[:, len(amounts) :])
    low, high = (quantile(bound, end) for bound, end in zip(bounds, ((1 - level) / 2, (1 + level) / 2), strict=True))
    spread = draws.std(axis=0) > ROUNDING if len(draws) else np.ones(draws.shape[1], bool)
    known = (n >= MIN_SEEDS) & spread[len(amounts) :] & spread[: len(amounts)].all()  # identical seeds show no chance
    return np.where(known, np.minimum(low, estimate), np.nan), np.where(known, np.maximum(high, estimate), np.nan)


def _columns(row: dict, prefix: str, start: str, amounts: np.ndarray, outcome: str, estimate, low, high) -> dict:
    used, found = row["n_labelled"], {"equivalent": estimate, "low": low, "high": high}
    for end, value in (("", estimate), ("_low", low), ("_high", high)):
        known = np.isfinite(value) and value > 0
        found |= {f"ratio{end}": value / used if known else np.nan, f"saved{end}": value - used if known else np.nan}
    text = _amount(estimate, amounts)
    if not np.isnan(low):
        text += f" [{_amount(low, amounts)}, {_amount(high, amounts)}]"
    return found | {"text": text, "sentence": _sentence(prefix, start, row, outcome, text, low, high)}


def _amount(value: float, amounts: np.ndarray) -> str:
    if value == 0:
        return f"< {count(amounts[0])}"
    return about(value) if np.isfinite(value) else f"> {count(amounts[-1])}"


def _sentence(prefix: str, start: str, row: dict, outcome: str, text: str, low: float, high: float) -> str:
    used = row["n_labelled"]
    kind = evidence(row["n_seeds"])
    encoder = f"an encoder pre-trained on {count(row['n_unlabelled'])} images" if row["u"] else start
    side = "more: " if outcome == "better" and low > used else "fewer: " if outcome == "worse" and high < used else ""
    alone = "more" if low > used else "fewer" if high < used else ""
    unsure = "; whether that is more or fewer is not settled" if outcome == "open" else ""
    if unsure and alone:
        unsure = f"; {alone} by itself, but not settled after correction for all comparisons"
    return f"{prefix}{count(used)} labels with {encoder} are worth {side}{text} labels without it{unsure} ({kind})."
