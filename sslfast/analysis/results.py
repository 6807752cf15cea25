"""All tables of conclusions from a table of cells, and the summary that a person reads first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ResultsError
from ..files import replacing
from ..study.names import PIXELS, RANDOM, SHUFFLED, SUPERVISED, WITHOUT_ENCODER
from .arms import arm_pairs, arms
from .as_written import METRICS, squashed
from .best_arms import arms_table, best_arms
from .card import Card, card, unsure_ways
from .checks import HEAD, check_cells, check_shorter
from .claims import claims
from .contrasts import contrasts
from .controls import controls
from .data_needed import data_needed
from .decision import RUN_COLUMNS, Prices, what_next
from .equivalence import label_equivalence
from .evaluations import evaluation_order, evaluation_scores, said
from .history_checks import check_history
from .image_noise import check_image_noise
from .judged import main_cells, main_evaluation
from .length_check import check_sentence, equal_passes, length_check, take_back
from .plateau import plateaus
from .reach import reach
from .rising import still_rising
from .scores import accuracy_targets, scores
from .surface import surfaces
from .table_checks import check_metric, check_number
from .table_files import to_csv
from .times import time_to_threshold
from .units import Unit, unit_of
from .unusual import unusual
from .words import EXPLORATORY_BELOW, count, p_value, plural, points, range_of_points, seeds

__all__ = ["Results", "Settings", "analyse", "card_of", "main_table", "summary", "verdict", "write_results"]


CARD = 10  # with more comparisons than this, a verdict gives only the most important ones


@dataclass(frozen=True)
class Settings:
    """The settings of the analysis.

    * `metric`: the test score to judge by (None: macro-F1, or accuracy if the table has no macro-F1).
    * `delta`: the smallest gain worth having, 0 to 1. `alpha`: the error rate of a family of tests.
    * `threshold` of the validation score `threshold_metric`, for times (None: macro-F1 or accuracy, as above).
    * `targets`: test accuracies to ask data for (None: round ones). `prices`: for what to get next.
    * `judged_by`: the evaluation of encoders that conclusions rest on (None: see `main_evaluation`).

    Raises `ConfigError` for impossible numbers.
    """

    metric: str | None = None
    delta: float = 0.015
    alpha: float = 0.05
    threshold: float = 0.4
    threshold_metric: str | None = None
    targets: Sequence[float] | None = None
    prices: Prices = field(default_factory=Prices)
    judged_by: str | None = None

    def __post_init__(self):
        check_number("delta", self.delta, 0, 1, above=True)
        check_number("alpha", self.alpha, 0, 0.5, above=True)
        check_number("threshold", self.threshold, 0, 1)
        for target in self.targets or []:
            check_number("accuracy target", target, 0, 1, above=True)


@dataclass(frozen=True)
class Settled(Settings):
    """`Settings` in which `analyse` has replaced metrics that were None."""

    metric: str = METRICS[0]
    threshold_metric: str = "macro_f1"


@dataclass(frozen=True)
class Results:
    """All conclusions about a study.

    `tables`: by name (see `analyse`); `cells`, `history`: the rows that they rest on (see `main_cells`); `settings`;
    `every`: all checked cells; `shorter`: the runs that check the length of training; `unchecked`: if there are none, a
    clause on why.
    """

    cells: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    settings: Settled
    every: pd.DataFrame
    history: pd.DataFrame | None
    shorter: pd.DataFrame | None = None
    unchecked: str = ""

    @property
    def length(self) -> str:
        """A clause on whether the verdict depends on the length of training."""
        return check_sentence(self.tables["length_check"], self.unchecked, self.settings.delta)

    @cached_property
    def card(self) -> Card:
        """See `card_of`."""
        return card(self.cells, self.tables, self.settings.delta, self.length)

    @property
    def unit(self) -> Unit:
        """The unit in which the length of training is given: updates or epochs."""
        return unit_of(self.cells, self.history)

    @property
    def judged_by(self) -> str:
        """The name of the evaluation of encoders that the conclusions rest on."""
        return main_evaluation(self.every, self.settings.judged_by)

    @property
    def judged(self) -> str:
        """A sentence on `judged_by`; empty if encoders are evaluated by the study's head alone."""
        evaluations = self.every.evaluate[~self.every.method.isin(WITHOUT_ENCODER)].unique()
        if set(evaluations) <= {HEAD}:
            return ""
        rest = len(evaluations) - 1
        others = f" ({rest} other evaluation{'s' * (rest > 1)} beside it)" if rest else ""
        return f"Pre-trained encoders are judged by {said(self.judged_by)}{others}."


def analyse(
    cells: pd.DataFrame,
    history: pd.DataFrame | None = None,
    settings: Settings | None = None,
    shorter: pd.DataFrame | None = None,
    unchecked: str = "",
    image_noise: pd.DataFrame | None = None,
) -> Results:
    """All conclusions from `cells` (columns: see `sslfast.analysis.checks.check_cells`) and, if given, `history`.

    `shorter`: runs of shorter training, a table like `cells` with a column `length` (see `length_check`); verdicts that
    they do not confirm are taken back. `unchecked`: if there are none, a clause on why. `image_noise`: what the choice
    of test images adds to differences (see `sslfast.analysis.image_noise`); without it, conclusions hold for these test
    images only.

    Tables: scores, unusual (runs to look at), contrasts (against the baseline, then the control), with an existing net
    arms, arm_pairs and best_arms (see `sslfast.analysis.arms`; one family with the primary contrasts), length_check,
    equal_passes, controls (against each control), evaluations, evaluation_order, plateau, label_equivalence, surface,
    what_next, cells_to_run, claims; data_needed if there are accuracies; time_to_threshold and still_rising if there is
    a history. Raises `ResultsError` for tables that cannot be used.
    """
    asked = settings or Settings()
    every = check_cells(cells, metric=asked.metric)
    s = _settled(asked, every, history)
    judged_by = main_evaluation(every, s.judged_by)
    cells = main_cells(every, judged_by)
    check_metric(cells, s.metric)
    if s.targets and "test_accuracy" not in cells:
        raise ResultsError("accuracy target: the cells have no column test_accuracy; add it, or ask for no target")
    if history is not None:
        history = main_cells(check_history(history, every, s.threshold_metric), judged_by)
    everywhere = image_noise
    if image_noise is not None:
        check_image_noise(image_noise)
        image_noise = image_noise[image_noise.evaluate == judged_by]
        if "other_evaluate" in image_noise:  # those are for arms
            image_noise = image_noise[image_noise.other_evaluate.isna()]
    how: dict[str, Any] = {"delta": s.delta, "alpha": s.alpha, "image_noise": image_noise}
    pairs = arm_pairs(every, judged_by, s.metric, **{**how, "image_noise": everywhere})
    both = [
        contrasts(cells, s.metric, SUPERVISED, **how, beside=pairs.p[~pairs.primary]),
        contrasts(cells, s.metric, RANDOM, **how),
    ]
    flat = plateaus(cells, s.metric, **how)
    fits = surfaces(cells, s.metric, delta=s.delta)
    if shorter is not None and len(shorter):
        shorter = check_shorter(shorter)
        shorter = pd.concat([main_cells(part, judged_by) for _, part in shorter.groupby("length")], ignore_index=True)
    else:
        shorter = cells[:0].assign(length="")
    check = length_check(cells, shorter, s.metric, delta=s.delta, alpha=s.alpha)
    both[0] = take_back(both[0], check, s.delta)
    decisions = what_next(cells, s.prices, s.metric, delta=s.delta, against=both[0])
    tables = {
        "scores": scores(cells, s.metric),
        "unusual": unusual(cells, s.metric),
        "contrasts": pd.concat([both[0].assign(against=SUPERVISED), both[1].assign(against=RANDOM)], ignore_index=True),
        "length_check": check,
        "equal_passes": equal_passes(cells, shorter, s.metric),
        "controls": controls(every, s.metric, delta=s.delta, alpha=s.alpha, image_noise=everywhere),
        **_evaluations(every, s),
        "plateau": flat,
        "label_equivalence": label_equivalence(cells, s.metric, both[0]),
        "surface": fits,
        "what_next": _options(decisions),
        "cells_to_run": _runs(decisions),
        "claims": claims(
            cells, history, s.metric, threshold=s.threshold, threshold_metric=s.threshold_metric,
            **how, against=both[0], flat=flat,
        ),
    }  # fmt: skip
    if "test_accuracy" in cells:
        trusted = len(fits) > 0 and bool(fits[fits.chosen].extrapolate.all())
        tables["data_needed"] = data_needed(cells, accuracy_targets(cells, s.targets), extrapolate=trusted)
    if len(pairs):
        tables["arms"] = arms(every, judged_by, pairs, both[0], s.metric)
        tables["arm_pairs"] = pairs
        tables["best_arms"] = best_arms(tables["arms"], pairs, s.delta, s.alpha)
    if history is not None:
        tables["time_to_threshold"] = time_to_threshold(cells, history, s.threshold_metric, s.threshold)
        tables["still_rising"] = still_rising(cells, history, s.threshold_metric, s.delta)
    return Results(cells, tables, s, every, history, shorter, unchecked)


def _settled(asked: Settings, every: pd.DataFrame, history: pd.DataFrame | None) -> Settled:
    metric = asked.metric or next(name for name in METRICS if name in every)
    threshold_metric = asked.threshold_metric or _validated(history)
    return Settled(**{**vars(asked), "metric": metric, "threshold_metric": threshold_metric})


def _validated(history: pd.DataFrame | None) -> str:
    """The validation score of a history to compare with a threshold: macro-F1, or accuracy if it has no macro-F1."""
    names = {squashed(name) for name in history} if history is not None else set()
    return "accuracy" if "accuracy" in names and squashed("macro_f1") not in names else "macro_f1"


def _evaluations(every: pd.DataFrame, s: Settled) -> dict[str, pd.DataFrame]:
    """Tables of scores under every evaluation, and of whether the order of methods depends on the evaluation.

    The shuffled control is left out.
    """
    compared = every[~every.method.str.startswith(SHUFFLED)]
    pixels = compared.method == PIXELS  # uses no encoder, so it is compared with every encoder's methods
    encoders = compared.encoder[~pixels].unique()
    beside = [compared[pixels].assign(encoder=name) for name in encoders]
    compared = pd.concat([compared[~pixels], *beside], ignore_index=True)
    return {
        "evaluations": evaluation_scores(compared, s.metric),
        "evaluation_order": evaluation_order(compared, s.metric, s.alpha),
    }


def card_of(results: Results) -> Card:
    """The verdict for somebody who has half a minute."""
    return results.card


def verdict(results: Results) -> list[str]:
    """What a study says, a sentence each, most important first: the headline of its card, then the evidence.

    Each number of labels has its sentences; in a study too large for that, only the largest of each encoder and method.
    """
    tables = results.tables
    primary, flat = tables["contrasts"][tables["contrasts"].primary], tables["plateau"]
    unsure = unsure_ways(tables["contrasts"])  # of these nothing else is concluded
    flat, following = (_without(table, unsure) for table in (flat, tables["what_next"]))
    sentences = [card_of(results).headline]
    for table in (primary, flat):
        shown = (
            table if len(table) <= CARD else table[table.l == table.groupby(["encoder", "method"]).l.transform("max")]
        )
        sentences += shown.sentence.tolist()
    sentences += tables["equal_passes"].sentence.tolist()[:CARD]
    sentences += following.drop_duplicates(["encoder", "method"]).sentence.tolist()
    return sentences


def _without(table: pd.DataFrame, ways: set[tuple[str, str]]) -> pd.DataFrame:
    keep = [way not in ways for way in table[["encoder", "method"]].itertuples(index=False, name=None)]
    return table[np.array(keep, dtype=bool)]


def summary(results: Results) -> str:
    """The verdict, the main table, the claims, and how far to trust them, as Markdown."""
    cells, tables, s = results.cells, results.tables, results.settings
    n_seeds, lost = cells.seed.nunique(), int((cells.status != "ok").sum())
    lines = [f"# {cells.study.iloc[0]}: what the unlabelled data is worth", ""]
    if n_seeds < EXPLORATORY_BELOW:
        lines += [f"**Exploratory**: {seeds(n_seeds)}; a conclusion takes {EXPLORATORY_BELOW}.", ""]
    short = card_of(results)
    lines += [f"**{short.headline}**", "", *[f"- *{question}* {answer}" for question, answer in short.answers]]
    lines += ["", "## Main table", "", *_markdown(main_table(results)), ""]
    metric = {"test_macro_f1": "macro-F1", "test_accuracy": "accuracy"}.get(s.metric, s.metric)
    lines += [
        f"Test {metric} as mean over seeds with 95 % interval. Each pre-trained row uses the most unlabelled images.",
        f"Differences are paired by seed, in percentage points; p is Holm's. A gain below {points(s.delta)} counts as"
        " none. 'Worth' is how many labels the supervised baseline needs for the same score."
        + f" {results.judged}".rstrip(),
        *_ways(tables),
        "", "## In detail", "", *[f"- {sentence}" for sentence in verdict(results)[1:]],
        "", "## The claims of the original study", "", "| claim | outcome | evidence |", "| --- | --- | --- |",
    ]  # fmt: skip
    several = len(tables["claims"].drop_duplicates(["encoder", "method"])) > 1
    for row in tables["claims"].itertuples():
        who = f"{row.method} ({row.encoder}): " if several else ""
        lines.append(f"| {who}{row.claim} | **{row.outcome}** | {row.evidence} |")
    if "data_needed" in tables:
        lines += ["", "## Data needed", "", *[f"- {text}" for text in _for_most(tables["data_needed"])]]
    lines += ["", "## How far to trust it", ""]
    lines.append(f"- {plural(len(cells), 'run')}, {count(len(cells) - lost)} finished, {count(lost)} without result"
                 " (left out, and their seeds left out of paired comparisons).")  # fmt: skip
    lines += [f"- length of training: {results.length}"]
    lines += [f"- {name}: {text}" for name, text in reach(tables).items()]
    return "\n".join(lines) + "\n"


def write_results(results: Results, folder: str | Path) -> None:
    """Write each table as `<folder>/<name>.csv`, and `summary.md`; each file appears whole or not at all."""
    for name, table in results.tables.items():
        with replacing(Path(folder) / f"{name}.csv") as scratch:
            to_csv(table, scratch)
    with replacing(Path(folder) / "summary.md") as scratch:
        scratch.write_text(summary(results), encoding="utf-8")


def _options(decisions: list) -> pd.DataFrame:
    """One row per option of each decision, with the decision's action and sentence; at least one row per decision."""
    parts = []
    for d in decisions:
        head = {"encoder": d.encoder, "method": d.method, "action": d.action}
        tail = {"n_seeds": d.n_seeds, "n_dropped": d.n_dropped, "sentence": d.sentence}
        rows = d.options.to_dict("records") or [dict.fromkeys(d.options.columns)]
        parts += [{**head, **row, **tail} for row in rows]
    columns = ["encoder", "method", "action", "option", "factor", "amount", "cost", "gain", "upper", "share"]
    return pd.DataFrame(parts, columns=[*columns, "reason", "n_seeds", "n_dropped", "sentence"])


def main_table(results: Results) -> pd.DataFrame:
    """The verdict at each number of labels, as text: one row per primary comparison; empty if there is none."""
    tables = results.tables
    against = tables["contrasts"]
    if not against.primary.any():
        return pd.DataFrame()
    primary = against[against.primary].merge(
        tables["label_equivalence"][["encoder", "method", "l", "u", "text"]],
        on=["encoder", "method", "l", "u"],
        how="left",
    )
    table = tables["scores"].set_index(["encoder", "method", "l", "u"])
    base = tables["scores"][tables["scores"].method == SUPERVISED].set_index(["encoder", "l"])
    flat = tables["plateau"].set_index(["encoder", "method", "l"])
    several, unsure = len(primary.drop_duplicates(["encoder", "method"])) > 1, unsure_ways(against)
    rows = []
    for row in primary.itertuples():
        ours = table.loc[(row.encoder, row.method, row.l, row.u)]
        theirs = base.loc[(row.encoder, row.l)] if (row.encoder, row.l) in base.index else None
        start = flat.loc[(row.encoder, row.method, row.l)] if row.u else None  # an existing net has no more of them
        begins = "–" if start is None else count(start.n_unlabelled) if start.shown else "not shown"
        rows.append(
            ({"encoder, method": f"{row.encoder}, {row.method}"} if several else {})
            | {
                "labels": count(row.n_labelled),
                "unlabelled": count(row.n_unlabelled) if row.u else "existing net",
                "pre-trained": _score(ours),
                "supervised": "–" if theirs is None else _score(theirs),
                "difference": f"{100 * row.difference:+z.1f}{range_of_points(row.low, row.high)}"
                + (" (depends on training length)" if row.outcome == "length" else "")
                if row.n_seeds
                else "–",
                "p": p_value(row.p_holm),
                "worth in labels": "–" if row.outcome == "length" else row.text,
                "plateau from": "–" if (row.encoder, row.method) in unsure else begins,
            }
        )
    return pd.DataFrame(rows)


def _ways(tables: dict[str, pd.DataFrame]) -> list[str]:
    if "arms" not in tables:
        return []
    told = [f"- {sentence}" for sentence in tables["best_arms"].sentence]
    return ["", "## Ways to spend the labels", "", *_markdown(arms_table(tables["arms"])), "", *told]


def _markdown(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return ["There is no pre-trained encoder to compare with a supervised baseline."]
    return [_line(list(table)), _line(["---"] * len(table.columns)), *[_line(row) for row in table.to_numpy()]]


def _runs(decisions: list) -> pd.DataFrame:
    found = [d.run for d in decisions]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=RUN_COLUMNS)


def _score(row) -> str:
    if not row.n_seeds:
        return "–"
    return f"{row['mean']:.3f}" + (f" [{row.low:.3f}, {row.high:.3f}]" if np.isfinite(row.low) else "")


def _line(parts: list[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _for_most(needed: pd.DataFrame) -> list[str]:
    """The sentences about labels, for the baseline and for each method at its largest u."""
    about = needed[(needed.given == "u") & (needed.method != RANDOM)]
    largest = about.groupby(["encoder", "method"]).value.transform("max")
    return about[about.value.isna() | (about.value == largest)].sentence.tolist()
