"""Would a verdict change with longer training? Both arms are trained again, for half as long, to find out.

The full length is a doubling of the half. A further doubling should move a difference about as much as this one did, or
less, since scores flatten (`benchmarks/longer.py` tests that with four times the training). Half the length costs a
quarter of twice the length, so more seeds can be checked, and the reported scores are those of the longer training.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from ..study.length import HALF, PASSES
from ..study.names import SUPERVISED
from ..study.stage_table import evaluations
from .base_nets import is_frozen
from .comparisons import ALPHA, DELTA
from .words import count, points, seeds

__all__ = ["RISE", "check_sentence", "equal_passes", "length_check", "take_back", "with_untrained"]

HOLDS, MOVES, RISE, UNSURE, UNKNOWN = "holds", "moves", "both rise", "unsure", "unknown"
KEY = ["encoder", "method", "l", "u"]


def length_check(
    cells: pd.DataFrame,
    shorter: pd.DataFrame,
    metric: str = "test_macro_f1",
    *,
    delta: float = DELTA,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """How each comparison with the baseline moved when the length of training was doubled.

    One row per (encoder, method, l, u). `cells`: the study's runs; `shorter`: runs at the largest u, with a column
    `length`; those of half the length are used. Over the `n_seeds` seeds that have all four runs:

    * `difference_half`, `difference`: pre-trained − baseline at half and at full length; `moved`: the change between
      them; `gain`, `gain_baseline`: what the doubling gained in each arm.
    * `noise`: how far chance alone may move a difference: the half width of a two-sided 1 − 2 `alpha` interval, from
      the spread over seeds, pooled over the rows. If no row has two seeds, the spread of the study's own runs is used:
      two lengths of one seed share images, weights and order, so they vary no more than seeds do.
    * `outcome`: `moves` if the difference moved by more than `delta` and by more than chance; `unsure` if it moved by
      more than `delta`, but chance may explain it; `both rise` if both arms gained more than `delta`, than chance and
      than half of the difference between them (then neither is fully trained, and what is still to come is as large as
      the difference that is judged); `unknown` if no seed has all four runs; else `holds`.
    """
    columns = [*KEY, "n_labelled", "n_unlabelled", "difference_half", "difference", "moved", "gain", "gain_baseline"]
    columns += ["noise", "n_seeds", "outcome", "sentence"]
    halves = shorter[shorter.length == HALF]
    if halves.empty:
        return pd.DataFrame(columns=columns)
    base = _values(cells[cells.method == SUPERVISED], metric, "base", baseline=True)
    base = base.merge(_values(halves[halves.method == SUPERVISED], metric, "base_half", baseline=True), how="outer")
    theirs = _values(halves[halves.method != SUPERVISED], metric, "half")
    runs = theirs.merge(_values(cells, metric, "full"), how="left").merge(base, how="left")
    runs["moved"] = (runs.full - runs.base) - (runs.half - runs.base_half)
    runs["gain"], runs["gain_baseline"] = runs.full - runs.half, runs.base - runs.base_half
    sds = {name: _pooled_sd(runs, name) for name in ("moved", "gain", "gain_baseline")}
    spread = _between_seeds(cells, metric)
    sds = {name: found if found[1] else _pooled_sd(spread, name) for name, found in sds.items()}
    counts = cells.drop_duplicates(KEY).set_index(KEY)[["n_labelled", "n_unlabelled"]]
    rows = []
    for key, part in runs.groupby(KEY):
        whole = part.dropna(subset=["moved"])
        whole = whole.assign(difference_half=whole.half - whole.base_half, difference=whole.full - whole.base)
        n, mean = len(whole), whole[["difference_half", "difference", "moved", "gain", "gain_baseline"]].mean()
        noise = {name: limit / np.sqrt(n) if n else np.nan for name, limit in _limits(sds, alpha).items()}
        beyond = {name: abs(mean[name]) > max(delta, noise[name]) for name in noise}
        to_come = min(mean.gain, mean.gain_baseline)
        both = beyond["gain"] and beyond["gain_baseline"] and to_come > max(delta, abs(mean.difference) / 2)
        far = n and abs(mean.moved) > delta
        outcome = UNKNOWN if not n else MOVES if beyond["moved"] else RISE if both else UNSURE if far else HOLDS
        row = {
            **dict(zip(KEY, key, strict=True)),
            **(counts.loc[key].to_dict() if key in counts.index else {"n_labelled": np.nan, "n_unlabelled": np.nan}),
            **mean.to_dict(),
            "noise": noise["moved"],
            "n_seeds": n,
            "outcome": outcome,
        }
        rows.append({**row, "sentence": _sentence(row, _why(part))})
    found = pd.DataFrame(rows, columns=columns)
    if len(found.drop_duplicates(["encoder", "method"])) > 1:
        found["sentence"] = found.method + " (" + found.encoder + ") " + found.sentence
    return found


def with_untrained(shorter: pd.DataFrame, cells: pd.DataFrame, judged_by: str) -> pd.DataFrame:
    """`shorter` with the runs of `cells` over existing nets, where `judged_by` trains nothing over them.

    Such a run is the same at half the length; what may move the difference is the baseline alone.
    """
    known = evaluations()
    halves = shorter[(shorter.length == HALF) & (shorter.method == SUPERVISED)]
    if judged_by not in known or known[judged_by].trains or halves.empty:
        return shorter
    key = ["encoder", "l", "seed"]
    nets = cells[is_frozen(cells)].merge(halves[key], on=key)
    return pd.concat([shorter, nets.assign(length=HALF)], ignore_index=True) if len(nets) else shorter


def take_back(contrasts: pd.DataFrame, check: pd.DataFrame, delta: float = DELTA) -> pd.DataFrame:
    """`contrasts`, with the primary outcomes that `check` (see `length_check`) puts in doubt replaced by `length`.

    The column `by_seeds` keeps the outcome by seeds alone. If the check is `unsure`, the outcome stays if a move of the
    size seen, either way, would not change it: a difference would keep its sign and remain above `delta`, an equality
    would remain within `delta`. (Of a move that may be chance, the direction tells nothing of the next one.) Numbers of
    labels that were not checked lie between two that were; their outcome stays only if both of those do.
    """
    found = contrasts.assign(by_seeds=contrasts.outcome)
    bad = check[check.outcome.isin([MOVES, RISE, UNSURE])]
    if bad.empty:
        return found
    checked = set(check[KEY].itertuples(index=False, name=None))
    for row in found[found.primary].itertuples():
        way = bad[(bad.encoder == row.encoder) & (bad.method == row.method)]
        own = way[way.l == row.l]
        told = own if (row.encoder, row.method, row.l, row.u) in checked else way
        told = told[[c.outcome != UNSURE or _would_turn(row, c.moved, delta) for c in told.itertuples()]]
        if len(told) and row.outcome != "unknown":
            found.loc[row.Index, "outcome"] = "length"
            depends = "may still depend" if (told.outcome == UNSURE).all() else "still depends"
            text = f"not settled: it {depends} on how long one trains ({told.sentence.iloc[0]})"
            found.loc[row.Index, "sentence"] = f"{row.sentence[:-1]}; {text}."
    return found


def _would_turn(row, moved: float, delta: float) -> bool:
    """Whether a settled comparison would lose its outcome if its difference `moved` as far once more, either way."""
    far = abs(moved)
    kept = {"better": row.difference - far >= delta, "worse": row.difference + far <= -delta}
    kept["equal"] = abs(row.difference) + far <= delta
    return not kept.get(row.outcome, True)


def check_sentence(check: pd.DataFrame, unchecked: str, delta: float) -> str:
    """A clause on whether the verdict depends on the length of training; `unchecked`: why that was not checked."""
    if check.empty or (check.outcome == UNKNOWN).all():
        why = unchecked or (check.sentence.iloc[0] if len(check) else "there are no runs of half the length")
        return f"whether longer training changes the verdict was not checked: {why}"
    known = check[check.outcome != UNKNOWN]
    bad, unsure = known[known.outcome.isin([MOVES, RISE])], known[known.outcome == UNSURE]
    n = seeds(int(known.n_seeds.min()))
    if len(bad):
        return f"it depends on the length of training: {'; '.join(bad.sentence)}"
    if len(unsure):
        text = f"that is not certain: {'; '.join(unsure.sentence)}; with so few seeds that may be chance"
        return f"{text}; verdicts that such a change, either way, would overturn are taken back"
    seen = max(delta, known.noise.max()) if np.isfinite(known.noise).any() else delta
    moved = f"differences moved by {points(known.moved.abs().max())} at most"
    if seen > delta:  # too few seeds to conclude that it is the same
        text = f"half the training shows no other verdict: {moved} ({n}), but moves below {points(seen)} may go unseen"
    else:
        text = f"half the training gives the same verdict: {moved} ({n}; less than {points(seen)} may go unseen)"
    lost = check[check.outcome == UNKNOWN]
    return text + (f"; {lost.sentence.iloc[0]}" if len(lost) else "")


def equal_passes(cells: pd.DataFrame, shorter: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """What fewer unlabelled images would score with equal passes instead of equal updates.

    One row per (encoder, method, l, u). In a study that counts updates, every encoder gets the same number: `score`. An
    encoder with as many passes over its images as the largest u gets has fewer updates: `score_passes`. `gain` and
    `gain_passes`: from these scores to that of the largest u; `gain_passes` is due to more data and more training
    together. Means over the `n_seeds` seeds that have all three runs.
    """
    ours = _values(shorter[shorter.length == PASSES], metric, "passes").merge(
        _values(cells, metric, "full"), how="left"
    )
    most = cells[cells.method != SUPERVISED].copy()
    most = most[most.u == most.groupby(["encoder", "method"]).u.transform("max")]
    most = _values(most, metric, "most").drop(columns="u")
    runs = ours.merge(most, how="left").dropna(subset=["passes", "full", "most"])
    counts = cells.drop_duplicates(KEY).set_index(KEY)[["n_labelled", "n_unlabelled"]]
    rows = []
    for key, part in runs.groupby(KEY):
        row = {
            **dict(zip(KEY, key, strict=True)),
            **counts.loc[key].to_dict(),
            "score": part.full.mean(),
            "score_passes": part.passes.mean(),
            "gain": (part.most - part.full).mean(),
            "gain_passes": (part.most - part.passes).mean(),
            "n_seeds": len(part),
        }
        where = (
            f"With {count(row['n_labelled'])} labels, from {count(row['n_unlabelled'])} unlabelled images to the most"
        )
        text = f"{where}: {points(row['gain'], sign=True)} with equal updates, {points(row['gain_passes'], sign=True)}"
        text += f" with equal passes, where more data is also more training ({key[1]}, {key[0]}; {seeds(len(part))})."
        rows.append({**row, "sentence": text})
    columns = [
        *KEY,
        "n_labelled",
        "n_unlabelled",
        "score",
        "score_passes",
        "gain",
        "gain_passes",
        "n_seeds",
        "sentence",
    ]
    return pd.DataFrame(rows, columns=columns)


def _values(runs: pd.DataFrame, metric: str, name: str, baseline: bool = False) -> pd.DataFrame:
    key = ["encoder", "l", "seed"] if baseline else [*KEY, "seed"]
    return runs[[*key, metric]].rename(columns={metric: name})


def _pooled_sd(runs: pd.DataFrame, name: str) -> tuple[float, int]:
    """The standard deviation of column `name` over seeds, pooled over settings, and its degrees of freedom."""
    groups = runs.dropna(subset=[name]).groupby(KEY)[name]
    free = int((groups.size() - 1).sum())
    squares = groups.apply(lambda values: float(((values - values.mean()) ** 2).sum())).sum() if free else 0.0
    return float(np.sqrt(squares / free)) if free else np.nan, free


def _between_seeds(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Runs of full length, one row per (encoder, method, l, u, seed), for their spread over seeds.

    Each run of the baseline is kept once.
    """
    ours = _values(cells[cells.method != SUPERVISED], metric, "gain")
    ours = ours.merge(_values(cells[cells.method == SUPERVISED], metric, "gain_baseline", baseline=True), how="left")
    ours["moved"] = ours.gain - ours.gain_baseline
    ours.loc[ours.duplicated(["encoder", "l", "seed"]), "gain_baseline"] = np.nan
    return ours


def _limits(sds: Mapping[str, tuple[float, int]], alpha: float) -> dict[str, float]:
    """How far the value of one seed may lie from the true mean by chance; 0 if the spread is not known."""
    return {name: special.stdtrit(free, 1 - alpha) * sd if free else 0.0 for name, (sd, free) in sds.items()}


def _why(part: pd.DataFrame) -> str:
    names = {"half": "the encoder's run of half the length", "base_half": "the baseline's run of half the length"}
    names |= {"full": "the encoder's run", "base": "the baseline's run"}
    return next((text for name, text in names.items() if part[name].isna().all()), "one of the four runs")


def _sentence(row: Mapping, missing: str) -> str:
    where = f"with {count(row['n_labelled'])} labels" if np.isfinite(row["n_labelled"]) else f"at l = {row['l']:g}"
    if row["outcome"] == UNKNOWN:
        return f"{where} it cannot be told, as {missing} has no result"
    text = f"{where} the difference went from {points(row['difference_half'], sign=True)} with half the training to"
    text += f" {points(row['difference'], sign=True)}"
    if row["outcome"] == RISE:
        text += f", and both arms still rise (by {points(row['gain'])} and {points(row['gain_baseline'])})"
    return f"{text}, {seeds(row['n_seeds'])}"
