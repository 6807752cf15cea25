"""Which runs were still improving when their training ended, so that their scores are too low."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..study.names import RANDOM, SUPERVISED
from .checks import CELL_KEY
from .comparisons import DELTA
from .intervals import mean_intervals
from .scores import SETTING, by_setting
from .units import unit_of
from .words import badge, count, listed, points, range_of_points, seeds, who

__all__ = ["rising_sentence", "still_rising"]

FEW = 3  # a sentence names up to so many arms, and counts them if there are more
LABELS = 4  # the same for numbers of labels


def still_rising(
    cells: pd.DataFrame, history: pd.DataFrame, metric: str = "macro_f1", delta: float = DELTA
) -> pd.DataFrame:
    """What the second half of the training gained in validation `metric`: one row per (encoder, l, method, u).

    `gain`: the score at the end minus that at half of the training (interpolated between validations), as mean over
    the `n_seeds` runs that finished, with its 95 % t interval (`low`, `high`; NaN below three seeds). `rising`: the
    mean is above `delta`. `sentence`: that in words.

    This says something only if the learning rate was constant. A rate that decays to 0 makes the score rise towards the
    end of any training and stand still at its end, so only a longer training shows whether this one was long enough.
    Therefore runs whose `setting_schedule` is `one_cycle` are not `known`, and never `rising`. A table without
    schedules is taken to have constant rates.
    """
    length = unit_of(cells, history).column
    halves = [
        dict(zip(CELL_KEY, key, strict=True)) | {"gain": _second_half(run[length].to_numpy(), run[metric].to_numpy())}
        for key, run in history.sort_values("epoch").groupby(CELL_KEY, dropna=False)
    ]
    gains = pd.DataFrame(halves, columns=[*CELL_KEY, "gain"]).astype(cells.dtypes[CELL_KEY].to_dict())
    runs = cells.merge(gains, on=CELL_KEY, how="left")
    runs.loc[runs.status != "ok", "gain"] = np.nan
    runs["decays"] = runs.setting_schedule == "one_cycle" if "setting_schedule" in runs else False
    found = by_setting(runs, "gain").rename(columns={"mean": "gain"})
    found["low"], found["high"] = mean_intervals(found.gain, found.se, found.n_seeds)
    decays = runs.groupby(SETTING, dropna=False, sort=True).decays.any().to_numpy()
    found["known"] = ~decays & (found.n_seeds > 0)
    found["rising"] = found.known & (found.gain > delta)
    found["sentence"] = [_sentence(row, d, metric) for row, d in zip(found.itertuples(), decays, strict=True)]
    columns = ["n_unlabelled", "n_labelled", "gain", "low", "high", "n_seeds", "known", "rising", "sentence"]
    return found[[*SETTING, *columns]]


def rising_sentence(cells: pd.DataFrame, rising: pd.DataFrame) -> str:
    """One sentence on the arms that `still_rising` finds rising: the baseline and the most unlabelled images first.

    Empty if there are none, and with a budget of updates, since then every network is trained to its end.
    """
    if "budget" in cells and (cells.budget == "updates").any():
        return ""
    arms = list(_arms(rising[rising.rising], several=rising.encoder.nunique() > 1))
    if not arms:
        return ""
    more = [f"{count(len(arms) - FEW)} more ways of training"] if len(arms) > FEW + 1 else arms[FEW:]
    return f"Still rising at the end: {listed(arms[:FEW] + more)}; longer training may change the verdict."


def _second_half(lengths: np.ndarray, scores: np.ndarray) -> float:
    """The last score minus the score at half of the training; NaN if there was no validation before that."""
    half = lengths[-1] / 2
    return scores[-1] - np.interp(half, lengths, scores) if lengths[0] <= half else np.nan


def _arms(rising: pd.DataFrame, several: bool) -> Iterator[str]:
    """A phrase for each (encoder, method, u) of the rows, with its numbers of labels and gains."""
    order = {SUPERVISED: 0, RANDOM: 2}
    rows = rising.assign(order=rising.method.map(order).fillna(1), less=-rising.u)
    for number, (_, arm) in enumerate(rows.groupby(["order", "less", "encoder", "method"], dropna=False)):
        first, arm = arm.iloc[0], arm.sort_values("n_labelled")
        labels, gains = listed([count(n) for n in arm.n_labelled]), listed([f"{100 * gain:+.1f}" for gain in arm.gain])
        if len(arm) > LABELS:
            labels = f"{count(arm.n_labelled.min())} to {count(arm.n_labelled.max())}"
            gains = f"{100 * arm.gain.min():+.1f} to {100 * arm.gain.max():+.1f}"
        encoder = f" ({first.encoder})" if several and first.method == SUPERVISED else ""
        when = " in the second half of its training" if number == 0 else ""
        yield f"{who(first)}{encoder} with {labels} labels ({gains} points{when})"


def _sentence(row, decays: bool, metric: str) -> str:
    name = {"macro_f1": "macro-F1"}.get(metric, metric)
    head = f"With {count(row.n_labelled)} labels, {who(row)}"
    if decays:
        return f"{head} was trained at a decaying rate: only a longer training shows whether it was long enough."
    if not row.known:
        return f"{head}: no run shows what the second half of the training gained."
    outcome = "was still rising at the end" if row.rising else "was not seen to rise any more at the end"
    kind = f"; {badge(row.n_seeds)}" if badge(row.n_seeds) else ""
    gain = f"{points(row.gain, sign=True)}{range_of_points(row.low, row.high)}"
    when = f"in the second half of its training ({seeds(row.n_seeds)}{kind})"
    return f"{head} {outcome}: validation {name} {gain} {when}."
