"""Which way to spend the labels is best, what it costs, and whether an existing net makes the rest needless."""

import numpy as np
import pandas as pd

from ..study.names import SUPERVISED
from .arms import ALONE, LABELS, NET, PLACE, TUNED
from .comparisons import ALPHA, DELTA, paired_of
from .words import count, duration, listed, p_value, points, range_of_points

__all__ = ["arms_answers", "arms_headline", "arms_table", "best_arms", "cost"]

AGAIN = 4  # doublings of the training that a verdict has to bear, each as far as the one that was tried
FEW = 3  # arms in a headline, which counts them if there are more
_COST = ["seconds", "seconds_once", "pixels"]
# why what the runs say of a net may not be concluded from them
LENGTH = "it still depends on how long one trains"
UNCHECKED = "whether fine-tuned networks are trained for long enough was not checked (judged_by: finetune checks it)"
YES, NO, NEITHER, UNTRIED, OPEN = "enough", "not enough", "no better than labels", "nothing else tried", "not settled"


def best_arms(
    arms: pd.DataFrame, pairs: pd.DataFrame, judged_by: str, delta: float = DELTA, alpha: float = ALPHA
) -> pd.DataFrame:
    """One row per (encoder, l): the best of `arms`, and whether an existing net is enough (see `arm_pairs`).

    * `best`: the arm with the highest mean; `ties`: the arms, joined by bars, that it is not shown to beat.
    * `net`: `enough` if an existing net is shown to beat the labels alone, and every other way to add less than
      `delta` to it (each at `alpha` shared out among nets and rows; that all of several hypotheses hold needs no other
      correction: Berger 1982). `not enough` if some other way is shown to beat every existing net, and by `delta` or
      more as far as seen. `no better than labels` if no net is shown to beat the labels alone; `nothing else tried`;
      else `not settled`. `arm` and `other`: the net and the way that show it; `gain`: of that over the net.
    * `doubt`: why `net` is `not settled` whatever the runs say, if that is so: a comparison that decides it depends on
      how long one trains, or there are fine-tuned arms, whose training the study checks only if encoders are
      `judged_by` that. A net against the labels alone is doubtful where `contrasts` says `length`. Another way against
      a net is doubtful if four more moves as large as the one that twice the training made, in either direction, would
      change the outcome, since neither may have been trained to its end. `sentence` says all of it.
    """
    rows = []
    n_claims = max(1, int((arms.kind == NET).sum()))
    for (encoder, label), here in arms.groupby(PLACE):
        known = here[here.n_seeds > 0].sort_values("mean", ascending=False)
        if known.empty:
            continue
        found = _both_ways(pairs[(pairs.encoder == encoder) & (pairs.l == label)])
        best = known.iloc[0]
        beaten = found[(found["first"] == best.arm) & (found.outcome == "better")].second
        ties = [name for name in known.arm[1:] if name not in set(beaten)]
        net, arm, other, gain = _net(known, found, delta, alpha / n_claims)
        unchecked = judged_by != TUNED and bool((known.evaluate == TUNED).any())
        depends = _depends(net, arm, other, known, found, delta)
        doubt = LENGTH if depends else UNCHECKED if unchecked else ""
        row = {
            "encoder": encoder,
            "l": label,
            "n_labelled": int(best.n_labelled),
            "best": best.arm,
            "mean": best["mean"],
        }
        row |= {name: best[name] for name in _COST}
        row |= {"ties": "|".join(ties), "net": OPEN if doubt else net, "arm": arm, "other": other, "gain": gain}
        row["doubt"] = doubt
        rows.append({**row, "sentence": _sentence(row, best, ties, delta)})
    columns = [*PLACE, "n_labelled", "best", "mean", *_COST, "ties", "net", "arm", "other", "gain", "doubt"]
    columns += ["sentence"]
    return pd.DataFrame(rows, columns=columns)


def arms_headline(verdicts: pd.DataFrame, delta: float) -> str:
    """The best way at each number of labels with its cost, and whether an existing net is enough; of one encoder."""
    rows = verdicts.sort_values("n_labelled")
    named = np.array([_or(row.best, row.ties) for row in rows.itertuples()])
    parts = []
    for name in dict.fromkeys(named):
        part = rows[named == name]
        parts.append(f"{_where(part, rows)}: {name}{_costs(part)}")
    return f"Best {'; '.join(parts)}. {_enough(rows, delta)}"


def arms_answers(verdicts: pd.DataFrame, arms: pd.DataFrame, delta: float) -> list[tuple[str, str]]:
    """Questions and answers for the verdict: of several encoders which way is best, and what each way costs."""
    several = verdicts.encoder.nunique() > 1
    answers = [(f"Best with {e}?", arms_headline(rows, delta)) for e, rows in verdicts.groupby("encoder")] * several
    most = arms[(arms.encoder == arms.encoder.iloc[0]) & (arms.l == arms.l.max())]
    most = most[most.kind.isin([ALONE, NET]) | most.arm.isin(verdicts.best)]
    costs = "; ".join(f"{row.arm} {cost(row)}" for row in most.itertuples() if np.isfinite(row.seconds))
    n = count(most.n_labelled.iloc[0])
    return [*answers, ("What does each way cost?", f"With {n} labels: {costs}.")] if costs else answers


def arms_table(arms: pd.DataFrame) -> pd.DataFrame:
    """All ways at each number of labels, as text."""
    several = arms.encoder.nunique() > 1
    rows = []
    for row in arms.to_dict("records"):
        known = row["n_seeds"] > 0
        interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if np.isfinite(row["low"]) else ""
        compared = known and row["method"] != SUPERVISED and np.isfinite(row["difference"])
        change = f"{100 * row['difference']:+z.1f}" if compared else "–"
        change += range_of_points(row["difference_low"], row["difference_high"]) if compared else ""
        change += " (depends on training length)" if row["outcome"] == "length" else ""
        rows.append(
            {
                "way": f"{row['arm']}, {row['encoder']}" if several else row["arm"],
                "labels": count(row["n_labelled"]),
                "made from": row["kind"],
                "score": f"{row['mean']:.3f}{interval}" if known else "–",
                "against labels alone": change,
                "p": p_value(row["p_holm"]),
                "worth in labels": row["worth"] if compared and row["outcome"] != "length" else "–",
                "cost": cost(pd.Series(row)) if np.isfinite(row["seconds"]) else "–",
            }
        )
    return pd.DataFrame(rows)


def cost(row) -> str:
    """What an arm took: `12 s`, `8 s a seed and 6 min once at 96 × 96 pixels`."""
    once = f" and {duration(row.seconds_once)} once" if row.seconds_once >= 0.5 else ""
    return f"{_some(row.seconds)} a seed{once}{_pixels(row.pixels)}"


def _costs(rows: pd.DataFrame) -> str:
    """The same in brackets over several numbers of labels, those of the best arm."""
    least, most = _some(rows.seconds.min()), _some(rows.seconds.max())
    if not np.isfinite(rows.seconds).any():
        return ""
    once = f" and {duration(rows.seconds_once.max())} once" if rows.seconds_once.max() >= 0.5 else ""
    pixels = _pixels(rows.pixels.iloc[0]) if rows.pixels.nunique() == 1 else ""
    return f" ({least if least == most else f'{least} to {most}'} a seed{once}{pixels})"


def _some(seconds: float) -> str:
    """A duration that nobody reads as nothing."""
    return duration(np.maximum(seconds, 1))


def _pixels(side: float) -> str:
    return f" at {side:.0f} × {side:.0f} pixels" if np.isfinite(side) else ""


def _both_ways(pairs: pd.DataFrame) -> pd.DataFrame:
    """`pairs`, and each the other way round."""
    turned = pairs.rename(columns={"first": "second", "second": "first", "low": "high", "high": "low"})
    turned = turned.assign(
        difference=-pairs.difference,
        low=-pairs.high,
        high=-pairs.low,
        outcome=pairs.outcome.replace({"better": "worse", "worse": "better"}),
    )
    return pd.concat([pairs, turned[list(pairs)]], ignore_index=True)


def _net(known: pd.DataFrame, found: pd.DataFrame, delta: float, alpha: float) -> tuple[str, str, str, float]:
    """Whether an existing net is enough, which, which other way tells, and what that adds to it."""
    nets = known[known.kind == NET].arm.tolist()
    others = found[~found["first"].isin([*nets, LABELS]) & found.second.isin(nets)]
    if not nets:
        return OPEN, "", "", np.nan
    against = found[(found.second == LABELS) & (found.outcome == "better")]
    beats = [name for name in nets if name in set(against["first"])]
    if beats and others.empty:
        return UNTRIED, beats[0], "", np.nan
    for name in beats:
        if (paired_of(others[others.second == name]).below(delta) < alpha).all():
            return YES, name, "", np.nan
    wins = others[(others.outcome == "better") & (others.difference >= delta)]
    for name in known.arm:
        gains = wins[wins["first"] == name].set_index("second").difference
        if len(gains) == len(nets):
            return NO, nets[0], name, gains[nets[0]]
    return (OPEN, beats[0], "", np.nan) if beats else (NEITHER, nets[0], "", np.nan)


def _depends(net: str, arm: str, other: str, known: pd.DataFrame, found: pd.DataFrame, delta: float) -> bool:
    """Whether what `_net` says rests on a comparison that may change with longer training."""
    ways = known.set_index("arm")
    if net == OPEN:
        return bool((ways.outcome == "length").any())
    nets = set(known[known.kind == NET].arm)
    if net == NEITHER:
        return bool((ways.outcome[[*nets]] == "length").any())
    if net in (YES, UNTRIED) and ways.outcome[arm] == "length":
        return True
    above = found[~found["first"].isin([*nets, LABELS])]
    above = above[above.second == arm] if net == YES else above[(above["first"] == other) & above.second.isin(nets)]
    ours, theirs = (ways.moved[above[side]].fillna(0.0).to_numpy() for side in ("first", "second"))
    moves = [np.inf if np.isinf([a, b]).any() else AGAIN * abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    lost = above.difference + moves >= delta if net == YES else above.difference - moves < delta
    return net in (YES, NO) and bool(lost.any())


def _sentence(row: dict, best: pd.Series, ties: list[str], delta: float) -> str:
    where = f"With {count(row['n_labelled'])} labels"
    ahead = f", not shown to beat {listed(ties)}" if ties else ", ahead of every other way tried"
    price = f", for {cost(best)}" if np.isfinite(best.seconds) else ""
    worth = f", worth {best.worth.split(' [')[0]} labels alone" if isinstance(best.worth, str) else ""
    text = f"{where}, {best.arm} scores best ({best['mean']:.3f}{worth}{ahead}{price})"
    if row["doubt"]:
        return f"{text}; whether an existing net is enough is not settled: {row['doubt']}."
    told = {
        YES: f"{row['arm']} makes the rest needless: no other way that was tried adds {points(delta)} or more to it",
        NO: f"an existing net alone is not enough: {row['other']} adds {points(row['gain'])} to {row['arm']}",
        NEITHER: "no existing net is shown to beat the labels alone",
        UNTRIED: f"{row['arm']} beats the labels alone, and nothing else was tried",
        OPEN: f"whether another way adds {points(delta)} or more to an existing net is not settled",
    }[row["net"]]
    return f"{text}; {told}."


def _enough(rows: pd.DataFrame, delta: float) -> str:
    """Whether an existing net is enough, over all numbers of labels."""
    said = {
        YES: f"an existing net{{}} makes the rest needless: nothing else that was tried adds {points(delta)} or more",
        NO: "an existing net alone is not enough",
        NEITHER: "no existing net is shown to beat the labels alone",
        UNTRIED: "an existing net{} beats the labels alone, and nothing else was tried",
        OPEN: f"it is not settled whether anything adds {points(delta)} or more to an existing net",
    }
    parts = []
    for net in dict.fromkeys(rows.net):
        part = rows[rows.net == net]
        named = f" ({part.arm.iloc[0]})" if part.arm.nunique() == 1 else ""
        where = _where(part, rows)
        doubts = "; ".join(filter(None, dict.fromkeys(part.doubt)))
        parts.append(f"{where[0].upper()}{where[1:]}, {said[net].format(named)}{f': {doubts}' if doubts else ''}.")
    return " ".join(parts)


def _or(best: str, ties: str) -> str:
    names = [best, *filter(None, ties.split("|"))]
    return " or ".join(names) if len(names) <= FEW else f"{best} or one of {len(names) - 1} others"


def _where(part: pd.DataFrame, rows: pd.DataFrame) -> str:
    """`with 900 and 4,500 labels`, or `at every number of labels`."""
    if len(part) == len(rows) > 1:
        return "at every number of labels"
    return f"with {listed([count(n) for n in part.n_labelled])} labels"
