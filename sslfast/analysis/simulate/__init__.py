"""How often the analysis is right, by simulation: studies made up from curves that are known, judged by what is true.

`python -m sslfast.analysis.simulate --repeats 2000` prints all of it. Every function takes the number of simulated
studies and a seed, and goes through the functions that real tables go through. Differences are scores from 0 to 1.
"""

import argparse

import numpy as np

from ..curves import amount_for
from ..decision import LABELS, UNLABELLED, decide
from ..grids import Grid
from ..intervals import draw_means, quantile
from ..predict import gains
from ..surface import surface_points

__all__ = [
    "WORLDS",
    "decision_rates",
    "draw_coverage",
    "equivalence_coverage",
    "made_up_grid",
]

LABELLED = np.array([0.02, 0.05, 0.1, 0.3, 0.5])
FRACTIONS = np.array([0.01, 0.03, 0.1, 0.3, 1.0])
N_TRAIN = 45000


def draw_coverage(n_seeds: int, repeats: int = 1000, seed: int = 0, level: float = 0.95, sd: float = 0.0075) -> float:
    """Share of intervals from `draw_means` that hold the true value of a functional that is not linear.

    It is the ratio of a difference and a slope (how many doublings two scores lie apart); seeds share noise.
    """
    rng, true = np.random.default_rng(seed), np.array([0.30, 0.36, 0.42, 0.39])
    hits = 0
    for number in range(repeats):
        drawn = draw_means(true + _noise(rng, n_seeds, 4, sd), 1000, seed=number)
        value = (drawn[:, 3] - drawn[:, 0]) / ((drawn[:, 2] - drawn[:, 0]) / 2)
        hits += quantile(value, (1 - level) / 2) <= 1.5 <= quantile(value, (1 + level) / 2)
    return hits / repeats


def equivalence_coverage(
    n_seeds: int, repeats: int = 1000, seed: int = 0, level: float = 0.95, sd: float = 0.0075
) -> float:
    """Share of label-equivalence intervals that hold the truth, on a baseline that rises as a power law."""
    rng, amounts = np.random.default_rng(seed), LABELLED * N_TRAIN
    baseline = 1 - 0.3 - 0.25 * (amounts / amounts[-1]) ** -0.25
    truth = 3000.0
    true = np.append(baseline, 1 - 0.3 - 0.25 * (truth / amounts[-1]) ** -0.25)
    hits = 0
    for number in range(repeats):
        drawn = draw_means(true + _noise(rng, n_seeds, len(true), sd), 1000, seed=number)
        found = amount_for(amounts, drawn[:, :-1], drawn[:, -1:])[:, 0]
        hits += quantile(found, (1 - level) / 2) <= truth <= quantile(found, (1 + level) / 2)
    return hits / repeats


# score at labels x and unlabelled images y, as shares of the largest amounts of the grid, with coefficients a and b
WORLDS = {
    "power laws": lambda x, y, a, b: 0.75 - a * x**-0.3 - b * y**-0.25,
    "product": lambda x, y, a, b: 1 - (0.35 + a) * x**-0.12 * (1 + b * y**-0.3),
    "logarithmic": lambda x, y, a, b: 0.55 + a * np.log10(x) + b * np.log10(y),
    "saturating": lambda x, y, a, b: 0.6 - 2 * a * np.exp(-3 * x) - b * np.exp(-8 * y),
    "flat in u": lambda x, y, a, b: 0.6 - a * x**-0.4 - 0 * b * y,
}


def made_up_grid(score, n_seeds: int, rng: np.random.Generator, sd: float = 0.0075) -> Grid:
    """A `Grid` of `score(x, y)` (shares of the largest amounts) with noise, half of its variance common to a seed."""
    x, y = np.meshgrid(LABELLED / LABELLED[-1], FRACTIONS, indexing="ij")
    scores = score(x, y) + _noise(rng, n_seeds, x.size, sd).reshape(n_seeds, *x.shape)
    counts = np.broadcast_to(FRACTIONS * N_TRAIN, x.shape)
    nothing = np.full((n_seeds, len(LABELLED)), np.nan)
    return Grid("conv", "autoencoder", "", np.arange(n_seeds), LABELLED, FRACTIONS, LABELLED * N_TRAIN, counts, scores,
                nothing)  # fmt: skip


def decision_rates(
    n_seeds: int = 5, repeats: int = 300, seed: int = 0, sd: float = 0.0075, delta: float = 0.015, levels: int = 5
) -> dict[str, float]:
    """How often `decide` acts, and is right when it does, over random worlds, amounts (factors 1.25 to 4) and prices.

    Right: the option it names has the largest true gain; nothing that it advises against buying gains `delta`.
    `levels`: how many of the largest levels of l and u the study has. Shares of all studies (`acts`), and of those in
    which it acts (`right`); `worst`, the largest true gain that an answer gave away.
    """
    rng = np.random.default_rng(seed)
    acted, right, worst = 0, 0, 0.0
    for _ in range(repeats):
        world = WORLDS[rng.choice(list(WORLDS))]
        a, b = rng.uniform(0.01, 0.12, 2)
        grid = made_up_grid(lambda x, y: world(x, y, a, b), n_seeds, rng, sd)  # noqa: B023 - used at once
        grid = _top(grid, levels)
        factors = {LABELS: rng.uniform(1.25, 4), UNLABELLED: rng.uniform(1.25, 4)}
        true = {
            LABELS: world(factors[LABELS], 1.0, a, b) - world(1.0, 1.0, a, b),
            UNLABELLED: world(1.0, factors[UNLABELLED], a, b) - world(1.0, 1.0, a, b),
        }
        i, j, scores, _ = surface_points(grid)
        draws = draw_means(scores, 300)
        predicted = {
            name: gains(grid, i, j, draws, along, factors[name]) for name, along in ((LABELS, "l"), (UNLABELLED, "u"))
        }
        action, _ = decide(predicted, delta)
        if action == "not settled":
            continue
        acted += 1
        best = max(true.values())
        given_away = best - (0.0 if action == "buy nothing" else true[action])
        fine = given_away < delta if action == "buy nothing" else given_away == 0
        right += fine
        worst = max(worst, 0.0 if fine else given_away)
    return {"acts": acted / repeats, "right": right / acted if acted else float("nan"), "worst": worst}


def _noise(rng: np.random.Generator, n_seeds: int, n: int, sd: float, shared: bool = True) -> np.ndarray:
    """Noise `[n_seeds, n]` with standard deviation `sd`; with `shared`, half of its variance is common to a seed.

    Without, the paired differences of two cells have a standard deviation of `sd`, as the notes count it.
    """
    if not shared:
        return rng.normal(0, sd / np.sqrt(2), (n_seeds, n))
    return rng.normal(0, sd / np.sqrt(2), (n_seeds, n)) + rng.normal(0, sd / np.sqrt(2), (n_seeds, 1))


def _top(grid: Grid, levels: int) -> Grid:
    return Grid(
        grid.encoder, grid.method, grid.title, grid.seeds, grid.labelled[-levels:], grid.unlabelled[-levels:],
        grid.n_labelled[-levels:], grid.n_unlabelled[-levels:, -levels:], grid.scores[:, -levels:, -levels:],
        grid.baseline[:, -levels:],
    )  # fmt: skip


def main() -> None:
    """Print every rate for 3, 5 and 10 seeds."""
    parser = argparse.ArgumentParser(prog="python -m sslfast.analysis.simulate", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000, help="simulated studies a rate (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    given = {"repeats": options.repeats, "seed": options.seed}
    for n in (3, 5, 10):
        print(f"{n} seeds")
        for levels in (5, 3, 2):
            for sd in (0.005, 0.01):
                rates = decision_rates(n, sd=sd, levels=levels, **given)
                print(f"  what next, {levels} × {levels} levels, sd {100 * sd:g} points: acts {rates['acts']:.3f},"
                      f" right {rates['right']:.3f}, worst mistake {100 * rates['worst']:.2f} points")  # fmt: skip


if __name__ == "__main__":
    main()
