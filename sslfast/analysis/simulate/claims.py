"""Are the claims of the original study judged correctly? What does looking again after adding seeds do?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from ..claims import HELD, NOT, SAME_TIME, claims
from ..comparisons import ALPHA, DELTA
from .rates import Judge
from .worlds import WORLDS, Gain, Study, World, cells_of

__all__ = ["CLAIM_WORLDS", "claims_judged", "looking_again"]

JUDGED = "autoencoder"  # if a study has a method of this name, the claims are judged for it alone
SECONDS = 1000.0  # of a cell; its noise is a tenth
WRONG = {HELD: "false held", NOT: "false did not hold"}


def _world(name: str, gain: Gain) -> World:
    return replace(WORLDS["power laws"], name=name, gains={JUDGED: gain})


def _curve(name: str, gains: Sequence[float]) -> World:
    """A world with these gains at the five amounts of unlabelled data, at any number of labels."""
    at = np.log(WORLDS["power laws"].unlabelled)
    return _world(name, lambda x, y: np.interp(np.log(y), at, gains) + 0 * x)


_SHARED = ("hill in u", "rises at the last step", "each step gains δ", "crossing", "nothing true", "heavy tails")
CLAIM_WORLDS = {name: WORLDS[name] for name in _SHARED} | {world.name: world for world in (
    _curve("up 5, then down 3", (0, 0.02, 0.035, 0.05, 0.02)),
    _curve("up 5, then down δ", (0, 0.02, 0.035, 0.05, 0.05 - DELTA)),
    _curve("up δ, and flat", (0, 0, DELTA, DELTA, DELTA)),
    # the baseline wins at every number of labels but the largest, where it is equal
    _world("behind but at one", lambda x, y: np.where(x == 1, 0, -0.1) + 0 * y),
)}  # fmt: skip


def claims_judged(seed: int = 0, delta: float = DELTA) -> Judge:
    """A judge of the table of `claims`: is any claim of a study decided wrongly, and how many claims are settled?

    Times are simulated, too, at the limits of what their claims allow. A cell with the most unlabelled images takes
    exactly 1.25 times as long as a cell with the least. In half of the studies it reaches the threshold as late as that
    cell, in the other half sooner by exactly the fifth that counts as a saving.
    """
    rng = np.random.default_rng(seed)

    def judge(study: Study) -> Iterator[tuple[str, bool]]:
        cells, sooner = _cells(study, rng), rng.random() < 0.5
        found = claims(cells, _history(cells, sooner, rng), "test_macro_f1", delta=delta)
        truth = _truth(study, sooner, delta)
        wrong = {HELD: False, NOT: False}
        for row in found.itertuples():
            held, refuted = truth[row.claim]
            false = {HELD: held is False, NOT: refuted is False}.get(row.outcome, False)
            if row.outcome in wrong:
                wrong[row.outcome] |= false
                yield f"settled ({row.claim})", True
            else:
                yield f"settled ({row.claim})", False
        yield "false claim in a study", any(wrong.values())
        for outcome, so in wrong.items():
            yield WRONG[outcome], so

    return judge


def looking_again(
    steps: Sequence[int] = (3, 5), repeats: int = 20_000, seed: int = 0, n_labels: int = 5, alpha: float = ALPHA
) -> float:
    """The share of false verdicts if a study looks after each of `steps` seeds and stops at the first verdict.

    In truth pre-training makes no difference; a study is wrong if it calls it better or worse at any of `n_labels`
    numbers of labels. Half of the variance of a run is common to its seed, and Holm's method corrects for the numbers
    of labels.
    """
    rng = np.random.default_rng(seed)
    shape = repeats, max(steps), n_labels
    differences = rng.normal(size=shape) + rng.normal(size=(*shape[:2], 1))
    false = np.zeros(repeats, dtype=bool)
    for n in steps:
        seen = differences[:, :n]
        t = np.sqrt(n) * seen.mean(axis=1) / seen.std(axis=1, ddof=1)
        smallest = 2 * special.stdtr(n - 1, -np.abs(t)).min(axis=1)
        false |= smallest * n_labels < alpha  # Holm's first step; the others follow it
    return float(false.mean())


def _truth(study: Study, sooner: bool, delta: float) -> dict[str, tuple[bool, bool]]:
    """By the true scores, for each claim: whether 'held' would be right, and whether 'did not hold' would be.

    Both are right for a rise above 0 but below `delta`, and for a rise with a fall of less than `delta` in it.
    """
    scores = study.truth[JUDGED]
    gain = scores[:, -1] - scores[:, 0]
    flat = [_flat_from(row, delta) for row in scores]
    wins = study.baseline > scores[:, -1] + 1e-12
    return {
        "the score rises with unlabelled data": _rise(scores.mean(axis=0), delta),
        "the gain from unlabelled data grows with labelled data": _rise(gain, delta),
        "time to the threshold falls with unlabelled and with labelled data": (sooner, not sooner),
        "beyond some point more unlabelled data stops helping": (all(flat), False),
        "wall-clock barely differs between amounts of unlabelled data": (False, False),
        "the supervised baseline wins at every number of labels": (bool(wins.all()), bool(not wins.all())),
    }


def _rise(values: np.ndarray, delta: float) -> tuple[bool, bool]:
    slack = 1e-12
    total, steps = values[-1] - values[0], np.diff(values)
    fall = max(0.0, float((np.maximum.accumulate(values) - values).max()))
    return bool(total > slack and fall < delta - slack), bool(total < delta - slack or (steps < -slack).any())


def _flat_from(row: np.ndarray, delta: float) -> bool:
    """Whether some smaller amount of unlabelled data scores less than `delta` below every larger one."""
    return any(row[k + 1 :].max() - row[k] < delta - 1e-12 for k in range(len(row) - 1))


def _cells(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    """The cells of the judged method, with seconds, as `check_cells` would return them."""
    grid = next(grid for grid in study.grids if grid.method == JUDGED)
    cells = cells_of(replace(study, grids=[grid]), "test_macro_f1").assign(dataset="data", status="ok")
    cells.loc[cells.test_macro_f1.isna(), "status"] = "failed"
    share = np.log(cells.u / cells.u.min()) / np.log(cells.u.max() / cells.u.min())
    own, of_seed = rng.normal(0, 0.1, len(cells)), rng.normal(0, 0.1, len(grid.seeds))
    log = np.log(SAME_TIME) * share.fillna(0) + own + of_seed[np.searchsorted(grid.seeds, cells.seed)]
    return cells.assign(seconds_classify=SECONDS * np.exp(log), seconds_pretrain=0.0)


def _history(cells: pd.DataFrame, sooner: bool, rng: np.random.Generator) -> pd.DataFrame:
    """Two validations of each run: when it reaches the threshold, and at the end of training, which all runs share.

    More labels reach it sooner; with `sooner`, so do the most unlabelled images, by a fifth.
    """
    share = np.log(cells.u / cells.u.min()) / np.log(cells.u.max() / cells.u.min())
    time = (100 - 60 * cells.l / cells.l.max()) * (1 - sooner * (1 - 1 / SAME_TIME) * share.fillna(0))
    epoch = time + rng.normal(0, 5, len(cells))
    columns = cells[["dataset", "method", "encoder", "u", "l", "seed"]].assign(updates=np.nan, images=np.nan)
    return pd.concat([columns.assign(epoch=at, seconds=at, macro_f1=1.0) for at in (epoch, 200.0)], ignore_index=True)
