"""Whether 'what to get next' is right: by `rates([next_step], …)` in the worlds of `worlds`, by `any_curves` in others
whose curves are drawn by chance."""

import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import expit

from ..decision import LABELS, UNLABELLED, decide
from ..predict import gains
from ..score_grids import Grid
from .rates import Rate
from .worlds import DELTA, LABELLED, Study, World, draw
from .worlds import UNLABELLED as SHARES

__all__ = ["KINDS", "any_curves", "next_step"]

NEAR = DELTA / 3  # an option that truly gains so little less than the best is as right as it: a third of what matters
SHOWN = 0.0005  # half of the last digit that is printed of a gain
LEVELS = (5, 3, 2)  # largest levels of both amounts that a study is cut down to


def next_step(study: Study) -> Iterator[tuple[str, bool]]:
    """What is said for a budget that buys 1.25 to 4 times the labels, or 1.25 to 4 times the unlabelled images.

    Right: an option whose true gain is within `NEAR` of the best one's and of `DELTA`, or 'buy nothing' where no option
    truly gains `DELTA`. What is bought, besides, should gain `DELTA`, and gains should be below their upper bound.
    """
    for grid in study.grids:
        rng = np.random.default_rng(zlib.crc32(grid.scores.tobytes()))  # by chance, but the same for the same study
        factors = {LABELS: rng.uniform(1.25, 4), UNLABELLED: rng.uniform(1.25, 4)}
        score = study.world.score(grid.method, *np.array([[1, factors[LABELS], 1], [1, 1, factors[UNLABELLED]]]))
        true = dict(zip(factors, np.minimum(score[1:], 1) - score[0], strict=True))
        for levels in LEVELS:
            if levels > min(len(grid.labelled), len(grid.unlabelled)) and levels != LEVELS[0]:
                continue
            cut = _largest(grid, levels)
            drawn = {name: gains(cut, along, factors[name]) for name, along in ((LABELS, "l"), (UNLABELLED, "u"))}
            yield from _judged(drawn, true, f"{levels} levels")


def _judged(drawn: dict, true: dict[str, float], levels: str) -> Iterator[tuple[str, bool]]:
    settled = all(gain is not None for gain in drawn.values())
    action, _ = decide({name: gain.draws for name, gain in drawn.items()}, DELTA) if settled else ("not settled", {})
    best = max(true.values())
    yield f"acts ({levels})", action != "not settled"
    if action == "buy nothing":
        yield f"right advice ({levels})", best < DELTA
    elif action != "not settled":
        yield f"right advice ({levels})", true[action] >= max(best, DELTA) - NEAR
        yield f"right that what is bought gains δ ({levels})", true[action] >= DELTA
    for name, gain in drawn.items():
        if gain is not None:
            yield f"covers what {name} gain at most ({levels})", true[name] <= gain.most + SHOWN


def _largest(grid: Grid, levels: int) -> Grid:
    return replace(
        grid, labelled=grid.labelled[-levels:], unlabelled=grid.unlabelled[-levels:],
        n_labelled=grid.n_labelled[-levels:], n_unlabelled=grid.n_unlabelled[-levels:, -levels:],
        scores=grid.scores[:, -levels:, -levels:], baseline=grid.baseline[:, -levels:],
    )  # fmt: skip


# a curve over shares of the largest amount, with its parameters drawn by chance
KINDS = {
    "power": lambda x, a, b: -(x ** -(0.15 + 0.65 * a)),
    "logarithmic": lambda x, a, b: np.log(x),
    "saturating": lambda x, a, b: -np.exp(-(15**a) * x),
    "S-shaped": lambda x, a, b: expit((0.55 + 0.85 * a) * (np.log2(x) + 4 - 4.5 * b)),
    "hill-shaped": lambda x, a, b: np.exp(-(((np.log2(x) + 4 - 3.7 * b) / (1.5 + 1.5 * a)) ** 2) / 2),
    "falling": lambda x, a, b: x ** -(0.5 * a),
    "losing slope": lambda x, a, b: np.log(x) - a * np.maximum(np.log(x) + 3 * b, 0),
    "two phases": lambda x, a, b: -np.exp(-(15**a) * x) - 0.2 * x ** -(0.1 + 0.4 * b),
    "flat": lambda x, a, b: 0 * x,
    "flat from the last level on": lambda x, a, b: np.log(np.minimum(x, 1)),
}


def any_curves(n_seeds: int, repeats: int, seed: int = 0) -> list[Rate]:
    """The rates of `next_step`, by the kind of curve over one amount; that over the other is of any kind but the last,
    which nobody can predict: it rises to the largest amount, and not one step further."""
    found = []
    for kind in KINDS:
        rng = np.random.default_rng([seed, n_seeds, *kind.encode()])
        counts = defaultdict(list)
        for _ in range(repeats):
            kinds = rng.permutation([kind, rng.choice(list(KINDS)[:-1])])
            for claim, so in next_step(draw(_world(rng, *kinds), n_seeds, rng)):
                counts[claim].append(bool(so))
        found += [Rate(kind, n_seeds, claim, sum(so), len(so)) for claim, so in counts.items()]
    return found


def _world(rng: np.random.Generator, of_labels: str, of_images: str) -> World:
    along_l, along_u = _curve(rng, of_labels, LABELLED), _curve(rng, of_images, SHARES)
    power = rng.uniform(-0.2, 0.2)  # what images add may depend on the labels
    gain = {"autoencoder": lambda x, y: along_u(y) * x**power}
    return World(f"{of_labels}, {of_images}", lambda x: 0.6 + along_l(x), gain)


def _curve(rng: np.random.Generator, kind: str, levels: tuple[float, ...]):
    """0 at the largest amount, and 3 to 30 points between the lowest and the highest of `levels`."""
    (a, b), shares = rng.random(2), np.array(levels) / levels[-1]
    size = rng.uniform(0.03, 0.3) / max(np.ptp(KINDS[kind](shares, a, b)), 1e-9)
    return lambda x: size * (KINDS[kind](x, a, b) - KINDS[kind](np.ones(()), a, b))
