"""Is a verdict about data, or about how long networks were trained? Both arms again, for half as long.

The full length is twice the half: what the doubling moved, a further one would move about as much, or less, since
scores flatten (`benchmarks/longer.py` tries it with four times the training). A half takes a quarter of the time of a
double, so that more seeds can be had for it, and the scores that are reported are those of the longer training.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from ..study.length import HALF, PASSES
from .checks import SUPERVISED
from .words import count, points, seeds

__all__ = ["check_sentence", "equal_passes", "length_check", "take_back"]

HOLDS, MOVES, RISE, UNSURE, UNKNOWN = "holds", "moves", "both rise", "unsure", "unknown"
KEY = ["encoder", "method", "l", "u"]


def length_check(
    cells: pd.DataFrame,
    shorter: pd.DataFrame,
    metric: str = "test_macro_f1",
    *,
    delta: float = 0.015,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """How each comparison with the baseline moved when both arms were trained for twice as long: a row a (way, l, u).

    `cells`: the study's; `shorter`: its runs of half the length (column `length`), of the largest u. Over the seeds
    that have all four runs (`n_seeds`): `difference_half` and `difference` (ours − baseline), `moved` between them,
    and what the doubling gave each arm, `gain` and `gain_baseline`. `noise`: what chance alone may do to `moved`,
    the half width of a two-sided 1 − 2 `alpha` interval from the spread over seeds, pooled over the rows; where no row
    has two seeds, from that of the study's own runs, as two lengths of a seed share its images, weights and order and
    vary no more than seeds do.

    `outcome`: `moves` where the difference moved by more than `delta` and more than chance does, and `unsure` where
    chance may do as much; `both rise` where
    both arms gained that much, and more than half of the difference between them, so that neither is at its end and
    what is to come is of the size of what is judged; else `holds`; `unknown` where no seed has the runs.
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
    return pd.DataFrame(rows, columns=columns)


def take_back(contrasts: pd.DataFrame, check: pd.DataFrame, delta: float = 0.015) -> pd.DataFrame:
    """`contrasts` whose primary `outcome` is `length` where `check` (see `length_check`) does not let it stand.

    What is `unsure` stands only if it would after another such move: a difference that would still be of its sign and
    above `delta`, an equality still within it.

    What it was by the seeds alone is in `by_seeds`. Numbers of labels that were not checked themselves lie between
    two that were, and stand only if both do.
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
            text = (
                f"{row.sentence[:-1]}; not settled: it still depends on how long one trains ({told.sentence.iloc[0]})."
            )
            found.loc[row.Index, "sentence"] = text
    return found


def _would_turn(row, moved: float, delta: float) -> bool:
    """Whether a comparison that is settled would no longer be so if its difference `moved` as much once more."""
    after = row.difference + moved
    return {"better": after < delta, "worse": after > -delta, "equal": abs(after) > delta}.get(row.outcome, False)


def check_sentence(check: pd.DataFrame, unchecked: str, delta: float) -> str:
    """What is known of how verdicts depend on the length of training; `unchecked`: why it is not, if it is not."""
    if check.empty or (check.outcome == UNKNOWN).all():
        why = unchecked or (check.sentence.iloc[0] if len(check) else "there are no runs of half the length")
        return f"whether longer training changes the verdict was not checked: {why}"
    known = check[check.outcome != UNKNOWN]
    bad, unsure = known[known.outcome.isin([MOVES, RISE])], known[known.outcome == UNSURE]
    n = seeds(int(known.n_seeds.min()))
    if len(bad):
        return f"it depends on the length of training: {'; '.join(bad.sentence)}"
    if len(unsure):
        text = f"that is not known for sure: {'; '.join(unsure.sentence)}, which {n} of halves cannot tell from chance"
        return f"{text}; verdicts that another such move would overturn are taken back"
    seen = max(delta, known.noise.max()) if np.isfinite(known.noise).any() else delta
    moved = f"differences moved by {points(known.moved.abs().max())} at most"
    if seen > delta:  # too few seeds to call that the same
        text = f"half the training shows no other verdict: {moved} ({n}), but moves below {points(seen)} may go unseen"
    else:
        text = f"half the training gives the same: {moved} ({n}; less than {points(seen)} may go unseen)"
    lost = check[check.outcome == UNKNOWN]
    return text + (f"; {lost.sentence.iloc[0]}" if len(lost) else "")


def equal_passes(cells: pd.DataFrame, shorter: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """What fewer unlabelled images score with as many passes over them as the most get: a row a (way, l, u).

    In a study by updates all encoders are trained for equally long. `score` is of that; `score_passes`, of an encoder
    whose updates shrink with its images; over the `n_seeds` that have both and the encoder of the most images.
    `gain` and `gain_passes`: from there to the most. The second is more data and more training at once.
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
    """The standard deviation over seeds within a row, pooled over rows, and its degrees of freedom."""
    groups = runs.dropna(subset=[name]).groupby(KEY)[name]
    free = int((groups.size() - 1).sum())
    squares = groups.apply(lambda values: float(((values - values.mean()) ** 2).sum())).sum() if free else 0.0
    return float(np.sqrt(squares / free)) if free else np.nan, free


def _between_seeds(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Runs of full length, a row a (way, l, u, seed), for their spread over seeds; a baseline counts once."""
    ours = _values(cells[cells.method != SUPERVISED], metric, "gain")
    ours = ours.merge(_values(cells[cells.method == SUPERVISED], metric, "gain_baseline", baseline=True), how="left")
    ours["moved"] = ours.gain - ours.gain_baseline
    ours.loc[ours.duplicated(["encoder", "l", "seed"]), "gain_baseline"] = np.nan
    return ours


def _limits(sds: Mapping[str, tuple[float, int]], alpha: float) -> dict[str, float]:
    """How far the value of one seed may lie from the truth by chance; 0 where the spread is not known."""
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
