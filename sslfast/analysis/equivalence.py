"""Label equivalence: how many labels would the supervised baseline need to score the same?"""

import numpy as np
import pandas as pd

from .curves import amount_for
from .grids import Grid, complete, each_label, grids
from .intervals import draw_means, quantile
from .words import about, count, evidence

__all__ = ["label_equivalence"]


def label_equivalence(cells: pd.DataFrame, metric: str = "test_macro_f1", *, level: float = 0.95) -> pd.DataFrame:
    """What each pre-trained setting is worth in labels of the baseline: a row a (encoder, method, l, u).

    `equivalent`: the labels with which the baseline scores as much, by inverting its curve (monotone PCHIP in log l);
    `low`, `high`: the interval at `level`, from draws over whole seeds. 0 stands for fewer than the baseline's fewest
    labels, infinity for more than its most: beyond them nothing is known, and `text` says `< 900` or `> 22,500`.
    `ratio` is equivalent / labels used, `saved` is equivalent − labels used (it can be negative: unlabelled data can
    be worth less than nothing); both with `_low` and `_high`, NaN where a bound is open. `n_seeds`,
    `n_dropped` (a seed counts if it has every baseline run and the cell), `sentence`. Newell & Deng 2020, How useful is
    self-supervised pretraining for visual tasks?
    """
    rows = []
    for grid in grids(cells, metric):
        rows += _rows_of(grid, level)
    columns = ["encoder", "method", "l", "n_labelled", "u", "n_unlabelled", "equivalent", "low", "high", "text"]
    columns += ["ratio", "ratio_low", "ratio_high", "saved", "saved_low", "saved_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_seeds", "n_dropped", "sentence"])


def _rows_of(grid: Grid, level: float) -> list[dict]:
    base = np.isfinite(grid.baseline).any(axis=0)
    has_baseline = complete(grid.baseline[:, base]) if base.any() else np.zeros(len(grid.seeds), bool)
    cells = [(i, j, row) for i, row in each_label(grid) for j in np.flatnonzero(np.isfinite(grid.n_unlabelled[i]))]
    together: dict[bytes, list] = {}  # cells that the same seeds have are answered at once
    for i, j, row in cells:
        whole = has_baseline & np.isfinite(grid.scores[:, i, j])
        together.setdefault(whole.tobytes(), []).append((i, j, row, whole))
    rows = [row for part in together.values() for row in _rows_with(grid, base, part, level)]
    return sorted(rows, key=lambda row: (row["l"], row["u"]))


def _rows_with(grid: Grid, base: np.ndarray, cells: list[tuple], level: float) -> list[dict]:
    """The rows of cells `(i, j, columns, whole)` that the same seeds, `whole`, have."""
    whole, amounts = cells[0][3], grid.n_labelled[base]
    i, j = np.array([cell[0] for cell in cells]), np.array([cell[1] for cell in cells])
    n, n_base = int(whole.sum()), int(base.sum())
    rows = [row | {"u": grid.unlabelled[b], "n_unlabelled": int(grid.n_unlabelled[a, b])} for a, b, row, _ in cells]
    rows = [row | {"n_seeds": n, "n_dropped": len(grid.seeds) - n} for row in rows]
    prefix, why = f"{grid.title}: " if grid.title else "", None
    if not n:
        why = "no seed has this cell and every baseline run" if n_base else "there is no supervised baseline"
    else:
        scores = np.concatenate([grid.baseline[whole][:, base], grid.scores[whole][:, i, j]], axis=1)
        mean = scores.mean(axis=0, keepdims=True)
        if n_base > 1 and np.ptp(mean[:, :n_base]) == 0:
            why = "the baseline does not rise with them"
    if why:
        return [row | {"text": "unknown", "sentence": f"{prefix}Worth in labels unknown: {why}."} for row in rows]
    draws = draw_means(scores)
    estimate = amount_for(amounts, mean[:, :n_base], mean[:, n_base:])[0]
    found = amount_for(amounts, draws[:, :n_base], draws[:, n_base:])
    low, high = quantile(found, (1 - level) / 2), quantile(found, (1 + level) / 2)
    return [
        row | _columns(row, prefix, amounts, *bounds) for row, *bounds in zip(rows, estimate, low, high, strict=True)
    ]


def _columns(row: dict, prefix: str, amounts: np.ndarray, estimate: float, low: float, high: float) -> dict:
    used, found = row["n_labelled"], {"equivalent": estimate, "low": low, "high": high}
    for end, value in (("", estimate), ("_low", low), ("_high", high)):
        known = np.isfinite(value) and value > 0
        found |= {f"ratio{end}": value / used if known else np.nan, f"saved{end}": value - used if known else np.nan}
    text = _amount(estimate, amounts)
    if not np.isnan(low):
        text += f" [{_amount(low, amounts)}, {_amount(high, amounts)}]"
    return found | {"text": text, "sentence": _sentence(prefix, row, estimate, text, low, high)}


def _amount(value: float, amounts: np.ndarray) -> str:
    if value == 0:
        return f"< {count(amounts[0])}"
    return about(value) if np.isfinite(value) else f"> {count(amounts[-1])}"


def _sentence(prefix: str, row: dict, estimate: float, text: str, low: float, high: float) -> str:
    used = row["n_labelled"]
    kind = evidence(row["n_seeds"])
    encoder = f"an encoder pre-trained on {count(row['n_unlabelled'])} images" if row["u"] else "a random encoder"
    if low > used or high < used:
        side = "more" if estimate > used else "fewer"
        return f"{prefix}{count(used)} labels with {encoder} are worth {side}: {text} labels without it ({kind})."
    unsure = "; whether that is more or fewer is not settled" if not np.isnan(low) else ""
    return f"{prefix}{count(used)} labels with {encoder} are worth {text} labels without it{unsure} ({kind})."
