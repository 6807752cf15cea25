"""The verdict for a reader with half a minute: one headline, then questions and answers, without statistical terms."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .best_arms import arms_answers, arms_headline
from .paired import MIN_LEVELS
from .rising import rising_sentence
from .words import EXPLORATORY_BELOW, count, plural, points, seeds

__all__ = ["Verdict", "plateau_answers", "unsure_ways", "verdict_of"]

FEW = 4  # a sentence lists up to so many numbers of labels, and counts them if there are more


@dataclass(frozen=True)
class Verdict:
    """`headline`: one sentence. `answers`: (question, answer) pairs. `exploratory`: too few seeds for a conclusion."""

    headline: str
    answers: list[tuple[str, str]]
    exploratory: bool


LOOK_ONCE = "Fix the number of seeds beforehand: adding seeds and looking again makes false verdicts more likely."
LENGTH = "Not settled: it still depends on how long one trains"


def verdict_of(cells: pd.DataFrame, tables: Mapping[str, pd.DataFrame], delta: float, length: str = "") -> Verdict:
    """The verdict on a study, from its `cells` and the tables of `analyse`; `delta` is the smallest gain worth having.

    `length`: a clause on whether the verdict depends on the length of training. If a verdict on a way of pre-training
    was taken back for that reason (see `take_back`), it concludes nothing else about that way.
    """
    n_seeds = cells.seed.nunique()
    primary = tables["contrasts"][tables["contrasts"].primary]
    groups = list(primary.groupby(["encoder", "method"]))
    if len(groups) == 1:
        head, answers = headline(primary, delta), []
    else:
        head, answers = _headline_of_many(primary), [(f"{m}, {e}", headline(rows, delta)) for (e, m), rows in groups]
    if len(groups) > 3 and len({answer for _, answer in answers}) == 1:
        answers = [(f"Each of the {len(groups)} ways", answers[0][1])]
    if "best_arms" in tables:  # an existing net is one of the ways
        answers = [("Against the labels alone?", head), *answers]
        if tables["best_arms"].encoder.nunique() == 1:
            head = arms_headline(tables["best_arms"], delta)
        answers = [*arms_answers(tables["best_arms"], tables["arms"], delta), *answers]
    if "still_rising" in tables and (text := rising_sentence(cells, tables["still_rising"])):
        answers.insert(0, ("Trained long enough?", text))
    unsure = unsure_ways(primary)
    answers += [("More unlabelled images?", text) for text in plateau_answers(tables["plateau"], delta, unsure)]
    answers += [("What to get next?", text) for text in _next(tables["what_next"], delta, unsure)]
    answers += [("How sure is this?", _certainty(cells, primary, tables["unusual"], n_seeds))]
    answers += [("Would longer training change it?", f"{length[0].upper()}{length[1:]}.")] if length else []
    return Verdict(head, answers, n_seeds < EXPLORATORY_BELOW)


def headline(primary: pd.DataFrame, delta: float) -> str:
    """Whether a way of pre-training beats training on the labels alone; `primary`: its rows of `contrasts`."""
    rows = primary[primary.n_seeds > 0].sort_values("n_labelled")
    if rows.empty:
        return "Not known: no seed has both a pre-trained and a supervised run."
    better, worse, equal, length = (rows[rows.outcome == name] for name in ("better", "worse", "equal", "length"))
    n = "both" if len(rows) == 2 else f"all {len(rows)}"
    frozen = bool((rows.u == 0).all())
    ours = "an existing net" if frozen else "pre-training on unlabelled images"
    everywhere = f"at {n} numbers of labels" if len(rows) > 1 else f"with {_labels(rows)}"
    small = " (less than is worth having)" if _small(rows, delta) else ""
    if len(better) == len(rows):
        yes = "Hardly" if small else "Yes"
        beats = f"{yes}: {ours} beats training on the labels alone"
        return f"{beats} {everywhere}, {_by(rows)}{small}."
    if len(worse) == len(rows):
        net = "an existing net" if frozen else "the frozen pre-trained encoder"
        return f"No: training on the labels alone beats {net} {everywhere}, {_by(rows)}{small}."
    if len(equal) == len(rows):
        either = "an existing net or none" if frozen else "pre-training or not"
        return f"It makes no difference: {either}, scores agree within {points(delta)} {everywhere}."
    if len(length) == len(rows):
        return f"{LENGTH}, {everywhere}."
    if better.empty and worse.empty and equal.empty and length.empty:
        many = plural(int(rows.n_seeds.max()), "seed does", "seeds do")
        return f"Not settled: {many} not show whether {ours} beats training on the labels alone."
    parts = [f"{ours} wins with {_labels(better)} ({_by(better)})"] if len(better) else []
    parts += [f"training on the labels alone wins with {_labels(worse)} ({_by(worse)})"] if len(worse) else []
    parts += [f"it makes no difference with {_labels(equal)}"] if len(equal) else []
    rest = rows.drop(index=pd.concat([better, worse, equal, length]).index)
    if not parts:  # nothing is settled: at some numbers of labels for one reason, at the rest for the other
        return f"{LENGTH} with {_labels(length)}; seeds do not show it with {_labels(rest)}."
    parts += [f"not settled with {_labels(length)}: it still depends on how long one trains"] if len(length) else []
    parts += [f"not settled with {_labels(rest)}"] if len(rest) else []
    start = "It depends on the number of labels" if len(better) and len(worse) else "Partly settled"
    return f"{start}: {'; '.join(parts)}."


def _headline_of_many(primary: pd.DataFrame) -> str:
    rows = primary[primary.n_seeds > 0]
    if rows.empty:
        return "Not known: no pre-trained encoder can be compared with a supervised baseline."
    won, lost = int((rows.outcome == "better").sum()), int((rows.outcome == "worse").sum())
    rest, longer = len(rows) - won - lost, int((rows.outcome == "length").sum())
    ways = len(rows.groupby(["encoder", "method"]))
    nets = rows[rows.u == 0].method.nunique()
    named = f"{ways} ways ({plural(nets, 'existing net')}, {plural(ways - nets, 'way')} of pre-training)"
    named = named if nets else f"{ways} ways of pre-training"
    wins = "pre-training wins" if not nets else "they win"
    depend = f" ({plural(longer, 'still depends', 'still depend')} on how long one trains)" if longer else ""
    return (
        f"Over {named} and {rows.l.nunique()} number{'s' * (rows.l.nunique() > 1)} of labels,"
        f" {wins} in {won} of {len(rows)} cases, training on the labels alone in {lost};"
        f" {rest} {'is' if rest == 1 else 'are'} equal or not settled{depend}."
    )


def unsure_ways(contrasts: pd.DataFrame) -> set[tuple[str, str]]:
    """The ways of pre-training (encoder, method) of which some verdict depends on the length of training."""
    rows = contrasts[contrasts.primary & (contrasts.outcome == "length")]
    return set(rows[["encoder", "method"]].itertuples(index=False, name=None))


def plateau_answers(flat: pd.DataFrame, delta: float, unsure: Collection[tuple[str, str]] = ()) -> list[str]:
    """Whether more unlabelled images are worth having, from the table of plateaus: an answer per way of pre-training.

    `unsure`: ways (encoder, method) about which nothing is concluded, since their scores depend on the length of
    training. If all ways have the same answer, it is given once.
    """
    return _of_each_way(flat, lambda rows: _plateau(rows, delta), unsure) or [_plateau(flat, delta)]


def _plateau(flat: pd.DataFrame, delta: float) -> str:
    if flat.empty or flat.n_seeds.max() == 0 or flat.last_gain.isna().all():
        return "Not known: it takes a seed with runs at two amounts."
    shown = flat[flat.shown.astype(bool)]
    if shown.empty:
        most = flat.last_gain_high.max()
        still = f": the last step may still have gained up to {points(most)}" if np.isfinite(most) else ""
        return f"They may still help; no amount is shown beyond which they stop helping{still}."
    where = "At every number of labels" if len(shown) == len(flat) else f"With {_labels(shown)}"
    most = shown.n_unlabelled.max()
    beyond = f"more than {count(most)} of them gain" if most else "they gain"
    rest = "" if len(shown) == len(flat) else "; elsewhere they may still help"
    return f"{where}, {beyond} less than {points(delta)}{rest}."


def _next(options: pd.DataFrame, delta: float, unsure: Collection[tuple[str, str]]) -> list[str]:
    nothing = ["Nothing was pre-trained, so there is nothing to compare."]
    return _of_each_way(options, lambda rows: _decision(rows, delta), unsure) or nothing


def _of_each_way(
    table: pd.DataFrame, answer: Callable[[pd.DataFrame], str], unsure: Collection[tuple[str, str]]
) -> list[str]:
    """The `answer` for each way of pre-training, with its name before it; a single one if all are the same."""
    groups = table.groupby(["encoder", "method"], sort=False)
    answers = {
        f"{method}, {encoder}: ": f"{LENGTH}." if (encoder, method) in unsure else answer(rows)
        for (encoder, method), rows in groups
    }
    if len(set(answers.values())) == 1:
        return list(answers.values())[:1]
    return [who + text for who, text in answers.items()]


def _decision(rows: pd.DataFrame, delta: float) -> str:
    action, known = rows.action.iloc[0], rows[rows.gain.notna()]
    gains = ", ".join(f"{row.option} {points(row.gain, sign=True)}" for row in known.itertuples())
    if action == "not asked":
        doubling = f" A guess at what doubling each would gain: {gains}." if gains else ""
        return f"Give prices ('prices' in the config) to get a recommendation.{doubling}"
    if action == "buy nothing":
        return f"Nothing: no option is likely to gain {points(delta)} or more for the budget."
    if action == "not settled":
        return "Not settled; the runs listed would help most (before adding seeds, see 'How sure is this?')." + (
            f" A guess at the gains: {gains}." if gains else ""
        )
    row = known[known.option == action].iloc[0]
    amount = f" ({count(row.amount)})" if np.isfinite(row.amount) else ""
    return f"Get {action}{amount}: a guess is {points(row.gain, sign=True)} for the budget."


def _certainty(cells: pd.DataFrame, primary: pd.DataFrame, unusual: pd.DataFrame, n_seeds: int) -> str:
    lost = int((cells.status != "ok").sum())
    parts = [
        f"{seeds(n_seeds)}" + (f", where a conclusion takes {EXPLORATORY_BELOW}" if n_seeds < EXPLORATORY_BELOW else "")
    ]
    unseen = primary.detectable.median()
    if np.isfinite(unseen):
        seen = f"a true difference below {points(unseen)} may go unseen" if unseen < 1 else "hardly any would be seen"
        parts += [seen + (" (median over comparisons)" if len(primary) > 1 else "")]
    if blind := int(primary.detectable.isna().sum()) if np.isfinite(unseen) else 0:
        parts += [f"{plural(blind, 'comparison')} {'has' if blind == 1 else 'have'} no interval"]
    parts += [
        f"{count(lost)} of {plural(len(cells), 'run')} {'has' if lost == 1 else 'have'} no result"
        if lost
        else "every run finished"
    ]
    if len(unusual):
        runs = plural(len(unusual), "run or setting", "runs or settings")
        parts += [f"{runs} should be looked at (see 'How far to trust it')"]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. {_assumed(primary)} {LOOK_ONCE}"


def _assumed(primary: pd.DataFrame) -> str:
    """For which images the intervals hold, and what was assumed about the spread over seeds."""
    known = primary[primary.n_seeds > 0]
    whom = "images like the test images" if len(known) and known.image_se.notna().all() else "these test images only"
    lent = known.groupby(["encoder", "method"]).l.nunique().max() >= MIN_LEVELS if len(known) else False
    spread = ", and assume that the spread over seeds changes smoothly with the number of labels" if lent else ""
    return f"Intervals hold for {whom}{spread}."


def _labels(rows: pd.DataFrame) -> str:
    """`900, 4,500 and 22,500 labels`; if there are many, their number and range."""
    numbers = [count(n) for n in sorted(rows.n_labelled.unique())]
    if len(numbers) > FEW:
        return f"{len(numbers)} numbers of labels ({numbers[0]} to {numbers[-1]})"
    return " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]])) + " labels"


def _by(rows: pd.DataFrame) -> str:
    """`by 3.1 points` or `by 3.1 to 8.2 points`."""
    sizes = rows.difference.abs()
    low, high = f"{100 * sizes.min():.1f}", f"{100 * sizes.max():.1f}"
    return f"by {low} points" if low == high else f"by {low} to {high} points"


def _small(rows: pd.DataFrame, delta: float) -> bool:
    return bool((rows[["low", "high"]].abs().max(axis=1) < delta).all())
