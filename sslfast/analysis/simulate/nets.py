"""Is the verdict on existing nets right: which way is best, and whether a net makes the rest needless?"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ...study.names import SUPERVISED
from ..arms import LABELS, arm_pairs, arms
from ..base_nets import BASE_NET
from ..best_arms import NEITHER, NO, YES, best_arms
from ..checks import check_cells
from ..comparisons import DELTA
from ..contrasts import contrasts
from ..length_check import length_check
from .worlds import WORLDS, Gain, Study, World, cells_of

__all__ = ["NET_WORLDS", "judge_nets"]

JUDGED_BY = "linear"
METRIC = "test_macro_f1"
OWN, ON = "own", "onwards"  # pre-training on own images, and going on from the first net


def _world(name: str, gains: dict[str, float], base: str = "nothing true") -> World:
    """A world with these gains over the labels alone, at each number of labels; nets are named `net…`."""
    always = {arm: _always(gain) for arm, gain in gains.items()}
    return replace(WORLDS[base], name=name, gains=always, labelled=(0.02, 0.1, 0.5), unlabelled=(1.0,))


def _always(gain: float) -> Gain:
    return lambda x, y: gain + 0 * x * y


_MANY = {f"{OWN}{i}": 0.1 + DELTA for i in range(6)}
NET_WORLDS = {world.name: world for world in (
    _world("a net far ahead", {"net": 0.1, OWN: -0.05}),
    _world("going on adds nothing", {"net": 0.1, ON: 0.1, OWN: -0.05}),
    _world("going on adds exactly δ", {"net": 0.1, ON: 0.1 + DELTA, OWN: -0.05}),
    _world("going on adds 5 points", {"net": 0.1, ON: 0.15, OWN: -0.05}),
    _world("six ways add exactly δ", {"net": 0.1, **_MANY}),
    _world("three nets, the rest like the best", {"net": 0.1, "net2": 0.1, "net3": 0.1, ON: 0.1, OWN: 0.1}),
    _world("three nets, each δ below the rest", {"net": 0.1, "net2": 0.1, "net3": 0.1, ON: 0.1 + DELTA}),
    _world("all ways alike", {"net": 0.0, ON: 0.0, OWN: 0.0}),
    _world("a net exactly δ ahead", {"net": DELTA, ON: DELTA, OWN: 0.0}),
    _world("a net behind", {"net": -0.05, ON: -0.02, OWN: 0.0}),
    _world("all ways alike, heavy tails", {"net": 0.0, ON: 0.0, OWN: 0.0}, "heavy tails"),
    _world("going on adds exactly δ, heavy tails", {"net": 0.1, ON: 0.1 + DELTA, OWN: 0.1}, "heavy tails"),
    _world("going on adds exactly δ, louder with few labels", {"net": 0.1, ON: 0.1 + DELTA, OWN: 0.1},
           "louder with few labels"),
    _world("going on adds exactly δ, missing runs", {"net": 0.1, ON: 0.1 + DELTA, OWN: 0.1}, "missing runs"),
    _world("going on adds exactly δ, collapsed runs", {"net": 0.1, ON: 0.1 + DELTA, OWN: 0.1}, "collapsed runs"),
)}  # fmt: skip


def judge_nets(study: Study) -> Iterator[tuple[str, bool]]:
    """Is any number of labels given a wrong verdict, or a best way that is called ahead of one that is as good?"""
    cells = _cells(study)
    primary = contrasts(cells, METRIC, delta=DELTA)
    pairs, unchecked = (
        arm_pairs(cells, JUDGED_BY, METRIC, delta=DELTA),
        length_check(cells, cells[:0].assign(length="")),
    )
    ways = arms(cells, JUDGED_BY, pairs, primary, unchecked, METRIC)
    true = _truth(study, ways)
    for row in pairs.itertuples():
        if np.isfinite(row.low):
            gain = true[row.l, row.first] - true[row.l, row.second]
            yield "covers: difference of two ways", row.low <= gain <= row.high
    wrong = {"enough": False, "not enough": False, "ahead": False}
    for row in best_arms(ways, pairs, JUDGED_BY, DELTA).itertuples():
        scores = {arm: score for (label, arm), score in true.items() if label == row.l}
        nets = {arm: score for arm, score in scores.items() if arm.startswith("frozen net")}
        others = {arm: score for arm, score in scores.items() if arm not in nets and arm != LABELS}
        wrong["enough"] |= row.net == YES and not (
            nets[row.arm] > scores[LABELS] and max(others.values()) - nets[row.arm] < DELTA - 1e-9
        )
        wrong["not enough"] |= row.net == NO and not max(others.values()) > max(nets.values()) + 1e-9
        behind = [score for arm, score in scores.items() if arm not in {row.best, *row.ties.split("|")}]
        wrong["ahead"] |= any(score >= scores[row.best] - 1e-9 for score in behind)
        yield "settled: a net is enough, or is not", row.net in (YES, NO)
        yield "settled: or no net beats the labels", row.net in (YES, NO, NEITHER)
    for statement, so in wrong.items():
        yield f"false: {statement}", so


def _cells(study: Study) -> pd.DataFrame:
    """The study as checked cells, its nets frozen, and what goes on from the first of them marked as such."""
    cells = cells_of(study, METRIC).assign(evaluate=JUDGED_BY, test_accuracy=np.nan)
    net = cells.method.str.startswith("net")
    cells.loc[net, ["u", "n_unlabelled"]] = 0.0
    of = cells.method.where(net, "net").where(net | (cells.method == ON))
    cells[BASE_NET] = "timm." + of + " timm 64"
    cells.loc[cells.method == SUPERVISED, "evaluate"] = "supervised"
    return check_cells(cells.assign(test_accuracy=cells[METRIC]).dropna(subset=METRIC))


def _truth(study: Study, ways: pd.DataFrame) -> dict[tuple[float, str], float]:
    """The true score of each way at each labelled fraction."""
    scores = {SUPERVISED: study.baseline, **{method: values[:, -1] for method, values in study.truth.items()}}
    places = {label: i for i, label in enumerate(study.world.labelled)}
    return {(row.l, row.arm): scores[row.method][places[row.l]] for row in ways.itertuples()}
