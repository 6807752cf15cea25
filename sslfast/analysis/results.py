"""All tables of conclusions from a table of cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from ..errors import ResultsError
from ..study.names import PIXELS, RANDOM, SHUFFLED, SUPERVISED, WITHOUT_ENCODER
from .arms import arm_pairs, arms
from .as_written import METRICS, squashed
from .best_arms import best_arms
from .checks import HEAD, check_cells, check_shorter
from .claims import claims
from .comparisons import ALPHA, DELTA
from .contrasts import contrasts
from .controls import controls
from .data_needed import data_needed
from .decision import RUN_COLUMNS, Prices, what_next
from .equivalence import label_equivalence
from .evaluations import evaluation_order, evaluation_scores, said
from .history_checks import check_history
from .image_noise import check_image_noise
from .judged import main_cells, main_evaluation
from .length_check import check_sentence, equal_passes, length_check, take_back, with_untrained
from .plateau import plateaus
from .rising import still_rising
from .scores import accuracy_targets, scores
from .surface import surfaces
from .table_checks import check_metric, check_number
from .times import time_to_threshold
from .units import Unit, unit_of
from .unusual import unusual
from .verdict import Verdict, verdict_of

__all__ = ["Results", "Settings", "analyse"]


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
    delta: float = DELTA
    alpha: float = ALPHA
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
    def verdict(self) -> Verdict:
        """The verdict for somebody who has half a minute."""
        return verdict_of(self.cells, self.tables, self.settings.delta, self.length)

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
        shorter = with_untrained(shorter, cells, judged_by)
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
        tables["arms"] = arms(every, judged_by, pairs, both[0], check, s.metric)
        tables["arm_pairs"] = pairs
        tables["best_arms"] = best_arms(tables["arms"], pairs, judged_by, s.delta, s.alpha)
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


def _runs(decisions: list) -> pd.DataFrame:
    found = [d.run for d in decisions]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=RUN_COLUMNS)
