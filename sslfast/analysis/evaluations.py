"""Does the order of methods depend on how their encoders are evaluated? Scores, ranks, and differences by seed.

The column `evaluate` of `cells` says how a run was scored (`head`, `linear`, `knn`, `finetune`). Methods without
unlabelled images (the controls `random` and `pixels`, and the baseline) are compared with the others at every u. The
baseline has no frozen encoder to evaluate, so its score counts under every evaluation for which it has no score of its
own.
"""

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from ..errors import ResultsError
from ..study.names import RANDOM, SUPERVISED
from ..study.stage_table import evaluations
from .comparisons import ALPHA, compare, suspect_runs
from .multiple_testing import holm
from .scores import by_setting, with_intervals
from .table_checks import check_metric
from .words import count, evidence, points, range_of_points

__all__ = [
    "agreements",
    "differences",
    "evaluation_order",
    "evaluation_scores",
    "in_order",
    "rank_correlations",
    "said",
]

SAME, OPPOSITE, OPEN = "same", "opposite", "not settled"
PLACE = ["encoder", "u", "l"]
PAIR = ["first", "second"]


def evaluation_scores(cells: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """One row per (encoder, u, l, evaluate, method): `mean` over seeds, `low`, `high` (95 % interval), `rank`, counts.

    `rank`: 1 for the highest mean among the `n_ranked` methods under the same evaluation. Equal means share the mean of
    their ranks; NaN without a result. Raises `ResultsError` if the column `evaluate` or `metric` is missing, or for a
    repeated run.
    """
    found = _each_evaluation(_compared(cells, metric), lambda runs: with_intervals(by_setting(runs, metric)))
    means = found.groupby([*PLACE, "evaluate"])["mean"]
    found = found.assign(rank=means.rank(ascending=False), n_ranked=means.transform("count"))
    columns = ["n_unlabelled", "n_labelled", "mean", "low", "high", "n_seeds", "n_missing", "rank", "n_ranked"]
    return found[[*PLACE, "evaluate", "method", *columns]]


def rank_correlations(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per (encoder, u, l, evaluate, other): `tau`, Kendall's τ_b of the mean scores under two evaluations.

    `scores`: the table of `evaluation_scores`. 1: the same order of the `n_methods` methods; −1: the opposite order;
    NaN with fewer than two methods, or if all means are equal. τ ignores how uncertain the means are; `agreements` does
    not.
    """
    rows = []
    several = scores[scores.groupby(PLACE).evaluate.transform("nunique") > 1]
    for place, part in several.groupby(PLACE):
        means = part.pivot(index="method", columns="evaluate", values="mean")
        for evaluate, other in itertools.combinations(in_order(means.columns), 2):
            both = means[[evaluate, other]].dropna()
            tau = _kendall(both[evaluate].to_numpy(), both[other].to_numpy())
            rows.append((*place, evaluate, other, tau, len(both)))
    return pd.DataFrame(rows, columns=[*PLACE, "evaluate", "other", "tau", "n_methods"])


def differences(cells: pd.DataFrame, metric: str = "test_macro_f1") -> pd.DataFrame:
    """One row per (encoder, u, l, first, second, evaluate): `first` minus `second`, two methods, paired by seed.

    `difference` with its 95 % interval (`low`, `high`), two-sided `p` (see `sslfast.analysis.paired`), and `p_holm`,
    corrected by Holm's method for all rows together. Seeds that lack one of the two runs are dropped, and so are pairs
    without a common seed.
    """
    runs = _compared(cells, metric)
    runs = runs[runs.groupby(PLACE).evaluate.transform("nunique") > 1]  # elsewhere there is no other order to compare
    runs = runs.assign(suspect=suspect_runs(runs, metric))
    key = [*PLACE, "evaluate", "seed"]
    both = runs.merge(runs[[*key, "method", metric, "suspect"]], on=key, suffixes=("", "_of_second"))
    both = both[both.method < both.method_of_second]
    value = both[metric] - both[f"{metric}_of_second"]
    # `check_cells` allows no bar in a name
    pair = both.method + "|" + both.method_of_second
    both = both.assign(value=value, method=pair, suspect=both.suspect | both.suspect_of_second)
    found = _each_evaluation(both, compare)
    found = found[found.n_seeds > 0].reset_index(drop=True)
    found[PAIR] = found.method.str.split("|", expand=True).reindex(columns=[0, 1])
    found["p_holm"], known = np.nan, found.p.notna()
    found.loc[known, "p_holm"] = holm(found.p[known])
    return found[[*PLACE, *PAIR, "evaluate", "difference", "low", "high", "n_seeds", "p", "p_holm"]]


def agreements(found: pd.DataFrame, alpha: float = ALPHA) -> pd.DataFrame:
    """One row per (encoder, u, l, first, second, evaluate, other): do two evaluations order two methods alike?

    `found`: the table of `differences`. `outcome`: `same` or `opposite` sign if both differences have p_holm < `alpha`,
    else `not settled`. `alone`: the outcome by the uncorrected `p`, as if this were the only question. The other
    columns of both rows follow; those of the evaluation `other` end in `_other`.
    """
    key = [*PLACE, *PAIR]
    place = {name: i for i, name in enumerate(in_order(found.evaluate.unique()))}
    both = found.merge(found, on=key, suffixes=("", "_other"))
    both = both[both.evaluate.map(place) < both.evaluate_other.map(place)].rename(columns={"evaluate_other": "other"})
    same_sign = both.difference * both.difference_other > 0
    for name, p in (("outcome", "p_holm"), ("alone", "p")):
        settled = (both[p] < alpha) & (both[f"{p}_other"] < alpha)
        both[name] = np.select([settled & same_sign, settled], [SAME, OPPOSITE], OPEN)
    columns = ["difference", "low", "high", "n_seeds"]
    columns += [f"{name}_other" for name in columns]
    return both[[*key, "evaluate", "other", "outcome", "alone", *columns]].reset_index(drop=True)


def evaluation_order(cells: pd.DataFrame, metric: str = "test_macro_f1", alpha: float = ALPHA) -> pd.DataFrame:
    """One row per (encoder, u, l): does the order of methods change with the evaluation? `sentence` answers.

    Counted are pairs of methods that share at least two evaluations. `n_same`: pairs with the same settled sign under
    all evaluations that they share; `n_opposite`: pairs with settled opposite signs under some two (see `agreements`);
    `n_open`: all others. `tau`: the lowest of `rank_correlations`. `n_seeds`: the fewest seeds of any pair.
    """
    scores, found = evaluation_scores(cells, metric), differences(cells, metric)
    agreed, taus = agreements(found, alpha), rank_correlations(scores)
    several = scores.encoder.nunique() > 1
    rows = []
    by_place = [dict(list(table.groupby(PLACE))) for table in (taus, agreed)]
    for place, part in scores.groupby(PLACE):
        here, pairs = (of.get(place, table[:0]) for of, table in zip(by_place, (taus, agreed), strict=True))
        by_pair = [set(group.outcome) for _, group in pairs.groupby(PAIR)] if len(pairs) else []
        opposite = sum(OPPOSITE in outcomes for outcomes in by_pair)
        same = sum(outcomes == {SAME} for outcomes in by_pair)
        row = {
            **dict(zip(PLACE, place, strict=True)),
            "n_unlabelled": int(part.n_unlabelled.max()),
            "n_labelled": int(part.n_labelled.max()),
            "n_evaluations": part.evaluate.nunique(),
            "n_methods": part.method[part.n_seeds > 0].nunique(),
            "tau": here.tau.min(),
            "n_same": same,
            "n_opposite": opposite,
            "n_open": len(by_pair) - same - opposite,
            "n_seeds": int(pairs[["n_seeds", "n_seeds_other"]].min(axis=None)) if len(pairs) else 0,
        }
        rows.append({**row, "sentence": _sentence(row, part, pairs, several)})
    return pd.DataFrame(rows)


def said(evaluation: str) -> str:
    """The name of an evaluation in a sentence: `a linear probe`, say."""
    return evaluations()[evaluation].said if evaluation in evaluations() else evaluation


def in_order(names: Iterable[str]) -> list[str]:
    """Names of evaluations in the order in which they are shown: those of the package first, then others by name."""
    first = list(evaluations())
    return sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))


def _compared(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`cells`, with methods without unlabelled images repeated at every u, and the baseline under every evaluation."""
    check_metric(cells, metric)
    check_metric(cells, "evaluate")
    baseline, runs = cells[cells.method == SUPERVISED], cells[cells.method != SUPERVISED]
    missing = runs.evaluate.isna()
    if missing.any():
        raise ResultsError(
            f"cells: column evaluate is empty for method {runs.method[missing].iloc[0]}; fill in by what it was scored"
        )
    own = baseline[baseline.evaluate.isin(runs.evaluate)]
    whole = baseline.drop_duplicates([*PLACE, "seed"])
    lent = [whole.assign(evaluate=name) for name in runs.evaluate.unique() if not (own.evaluate == name).any()]
    runs = pd.concat([runs, own, *lent])
    learned = runs.u > 0
    everywhere = runs[~learned]
    us = sorted(runs.u[learned].unique()) or [0.0]
    runs = pd.concat([runs[learned], *(everywhere.assign(u=u) for u in us)], ignore_index=True)
    twice = runs.duplicated([*PLACE, "evaluate", "method", "seed"])
    if twice.any():
        row = runs[twice].iloc[0]
        raise ResultsError(
            f"cells: {row.method} ({row.encoder}), l {row.l:g}, seed {row.seed:g}, evaluate {row.evaluate} stands"
            " twice, expected one row; remove the others"
        )
    return runs


def _each_evaluation(runs: pd.DataFrame, summarise: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The tables that `summarise` makes of each evaluation's runs, as one table."""
    names = in_order(runs.evaluate.unique())
    parts = [summarise(runs[runs.evaluate == name]).assign(evaluate=name) for name in names]
    whole = pd.concat(parts, ignore_index=True) if parts else summarise(runs).assign(evaluate="")
    return whole.sort_values(PLACE, kind="stable", ignore_index=True)


def _kendall(a: np.ndarray, b: np.ndarray) -> float:
    """τ_b of two sets of scores `[n]`: agreeing minus disagreeing pairs, corrected for ties (Kendall 1945)."""
    signs = [np.sign(x[:, None] - x[None]) for x in (a, b)]
    untied = np.sqrt(np.prod([np.abs(s).sum() for s in signs]))
    return float((signs[0] * signs[1]).sum() / untied) if untied else float("nan")


def _sentence(row: dict, scores: pd.DataFrame, pairs: pd.DataFrame, several: bool) -> str:
    where = f"With {count(row['n_labelled'])} labels and {count(row['n_unlabelled'])} unlabelled images"
    where += f" (encoder {row['encoder']})" if several else ""
    n = row["n_same"] + row["n_opposite"] + row["n_open"]
    if not n:
        return f"{where}, orders of methods cannot be compared: it takes two methods under the same two evaluations."
    names = [said(name) for name in in_order(scores.evaluate.unique())]
    under = f"{', '.join(names[:-1])} and {names[-1]}"
    kept = f"{row['n_same']} of {n} pairs of methods keep their sign"
    open_ = f", {row['n_open']} {'is' if row['n_open'] == 1 else 'are'} not settled" if row["n_open"] else ""
    alike = f"{kept}{open_} ({evidence(row['n_seeds'])})"
    if row["n_opposite"]:
        turned = f"{row['n_opposite']} of {n} pairs of methods change{'s' * (row['n_opposite'] == 1)} sign"
        alike = f"{turned}, {row['n_same']} keep{'s' * (row['n_same'] == 1)} it{open_} ({evidence(row['n_seeds'])})"
        return f"{where}, the order of methods changes with the evaluation: {_clearest(pairs)}; {alike}."
    if not row["n_open"]:
        return f"{where}, the order of methods is the same under {under}: {alike}."
    alone = pairs[pairs.alone == OPPOSITE].groupby(PAIR).ngroups
    doubt = f"; {alone} would be opposite if no other were compared" if alone else ""
    return f"{where}, no change of order between {under} is shown, nor that there is none: {alike}{doubt}."


def _clearest(pairs: pd.DataFrame) -> str:
    """A sentence on the pair with the clearest change of sign; two ways of pre-training are preferred."""
    turned = pairs[pairs.outcome == OPPOSITE]
    learned = turned[~turned[PAIR].isin([SUPERVISED, RANDOM]).any(axis=1)]
    turned = turned if learned.empty else learned
    return _turn(turned.loc[turned[["difference", "difference_other"]].abs().min(axis=1).idxmax()])


def _turn(pair: pd.Series) -> str:
    parts = []
    for name, who, end in ((pair.evaluate, pair.second, ""), (pair.other, "it", "_other")):
        difference, low, high = (pair[f"{column}{end}"] for column in ("difference", "low", "high"))
        word = "above" if difference > 0 else "below"
        number = f"{points(difference, sign=True)}{range_of_points(low, high)}"
        parts.append(f"{word} {who} by {said(name)} ({number})")
    return f"{pair['first']} scores {parts[0]} and {parts[1]}"
