"""Is 'what to get next' right? `next_step` judges studies of the fixed worlds, `any_curves` those of random curves."""

import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import expit

from ..comparisons import DELTA
from ..decision import LABELS, UNLABELLED, decide
from ..predict import gains
from ..score_grids import Grid
from .rates import Rate
from .worlds import LABELLED, Study, World, draw
from .worlds import UNLABELLED as SHARES

__all__ = ["KINDS", "any_curves", "next_step"]

NEAR = DELTA / 3  # an option whose true gain is this close to the best one's is right, too
SHOWN = 0.0005  # half of the last digit of a printed gain
LEVELS = (5, 3, 2)  # studies are cut down to so many of the largest levels of both amounts


def next_step(study: Study) -> Iterator[tuple[str, bool]]:
    """Is the advice right for a budget that buys 1.25 to 4 times the labels, or as many times the unlabelled images?

    Right is an option whose true gain is at most `NEAR` below that of the best option and below `DELTA`, and 'buy
    nothing' if no option truly gains `DELTA`. Also judged: whether a recommended purchase gains `DELTA`, and whether
    true gains are below their upper bounds.
    """
    for grid in study.grids:
        rng = np.random.default_rng(zlib.crc32(grid.scores.tobytes()))  # the same study always gets the same factors
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


# curves over shares x of the largest amount, with random parameters a and b in [0, 1]
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
    """The rates of `next_step` in random worlds, by the kind of the curve over one of the two amounts.

    The curve over the other amount is of any kind but the last. That kind cannot be predicted: it rises up to the
    largest amount, and no further.
    """
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
    power = rng.uniform(-0.2, 0.2)  # what unlabelled images add may depend on the number of labels
    gain = {"autoencoder": lambda x, y: along_u(y) * x**power}
    return World(f"{of_labels}, {of_images}", lambda x: 0.6 + along_l(x), gain)


def _curve(rng: np.random.Generator, kind: str, levels: tuple[float, ...]):
    """A random curve that is 0 at the largest amount, with 3 to 30 points between its lowest and highest level."""
    (a, b), shares = rng.random(2), np.array(levels) / levels[-1]
    size = rng.uniform(0.03, 0.3) / max(np.ptp(KINDS[kind](shares, a, b)), 1e-9)
    return lambda x: size * (KINDS[kind](x, a, b) - KINDS[kind](np.ones(()), a, b))
