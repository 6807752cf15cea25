"""Worlds of known truth, easy and hard, from which studies are drawn, so that the analysis can be judged.

A `World` is the baseline's curve over labels, what unlabelled data adds to it, and the noise of runs. `draw` makes a
`Study` of it: the grids that the analysis gets, and the truth that it does not see. Scores are from 0 to 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ...study.names import SUPERVISED
from ..comparisons import DELTA
from ..score_grids import Grid

__all__ = ["WORLDS", "Noise", "Study", "World", "between_amounts", "cells_of", "draw", "true_scores"]

N_TRAIN = 45_000
LABELLED = (0.02, 0.05, 0.1, 0.3, 0.5)
UNLABELLED = (0.01, 0.03, 0.1, 0.3, 1.0)
CHANCE = 0.1
Curve = Callable[[np.ndarray], np.ndarray]  # score at a number of labels, as a share of the most
Gain = Callable[[np.ndarray, np.ndarray], np.ndarray]  # what an encoder adds, at shares of labels and unlabelled images


@dataclass(frozen=True)
class Noise:
    """How the runs of a cell vary.

    `sd`: standard deviation of a run. Half of its variance is common to all runs of a seed, as in real studies; the
    other half is the run's own noise.

    * `tails`: degrees of freedom, if the own noise is drawn from Student's t (None: normal).
    * `loud`: the arm (`baseline`, or a method) whose own noise is four times as large.
    * `few_labels`: factor on `sd` at the fewest labels, falling to 1 at the most. `spike`: factor on `sd` at the middle
      number of labels.
    * `few_unlabelled`: factor on the own noise at the fewest unlabelled images, falling to 1 at the most. `last`:
      factor on the own noise at the most unlabelled images.
    * `collapsed`, `missing`: shares of runs that end at the level of chance with status ok, or have no result.
    * `test_images`: their number; all seeds share them (None: infinitely many).
    """

    sd: float = 0.0075
    tails: float | None = None
    loud: str = ""
    few_labels: float = 1.0
    few_unlabelled: float = 1.0
    last: float = 1.0
    spike: float = 1.0
    collapsed: float = 0.0
    missing: float = 0.0
    test_images: int | None = None


@dataclass(frozen=True)
class World:
    """A known truth: the `baseline` and, by method, the `gains` over it (see `Curve` and `Gain`), and noise.

    `labelled` and `unlabelled`: the levels of a study, as shares of all images.
    """

    name: str
    baseline: Curve
    gains: dict[str, Gain]
    noise: Noise = field(default_factory=Noise)
    labelled: tuple[float, ...] = LABELLED
    unlabelled: tuple[float, ...] = UNLABELLED

    def score(self, method: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The true score of a method at shares of the most labels and of the most unlabelled images."""
        return self.baseline(x) + self.gains[method](x, y)


@dataclass(frozen=True)
class Study:
    """One draw from a `world`.

    `grids`: one per method. `truth`, by method `[L, U]`, and `baseline` `[L]`: the true scores. `image_variance`, by
    method `[L, U]`: the variance of its difference from the baseline due to the choice of test images; a real study
    computes it from predictions (`sslfast.analysis.image_noise`).
    """

    world: World
    grids: list[Grid]
    truth: dict[str, np.ndarray]
    baseline: np.ndarray
    image_variance: dict[str, np.ndarray]


def draw(world: World, n_seeds: int, rng: np.random.Generator) -> Study:
    """A study of `world` with so many seeds."""
    truth, baseline = true_scores(world)
    labelled, unlabelled, noise = np.array(world.labelled), np.array(world.unlabelled), world.noise
    n_l, n_u = len(labelled), len(unlabelled)
    sd = noise.sd * np.geomspace(noise.few_labels, 1, n_l) * np.where(np.arange(n_l) == n_l // 2, noise.spike, 1)
    common = rng.normal(0, 1, (n_seeds, n_l)) / np.sqrt(2)  # all runs of a seed share images and order
    images = _test_noise(rng, noise, truth, baseline)
    runs = sd * (common + _own(rng, noise, (n_seeds, n_l), "baseline"))
    base = _spoilt(rng, noise, baseline + images["baseline"] + runs)
    counts = np.broadcast_to(unlabelled * N_TRAIN, (n_l, n_u))
    grids = []
    for method, true in truth.items():
        own = _own(rng, noise, (n_seeds, n_l, n_u), method)
        own = own * np.geomspace(noise.few_unlabelled, 1, n_u) * np.where(np.arange(n_u) == n_u - 1, noise.last, 1)
        scores = true + images[method] + sd[:, None] * (common[:, :, None] + own)
        title = method if len(truth) > 1 else ""
        grids.append(
            Grid("conv", method, title, np.arange(n_seeds), labelled, unlabelled, labelled * N_TRAIN, counts,
                 _spoilt(rng, noise, scores), base)
        )  # fmt: skip
    return Study(world, grids, truth, baseline, _image_variance(noise, truth, baseline))


def true_scores(world: World) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The true scores in `world`, `(truth, baseline)`, as in a `Study`."""
    x, y = np.array(world.labelled) / world.labelled[-1], np.array(world.unlabelled) / world.unlabelled[-1]
    x, y = np.meshgrid(x, y, indexing="ij")
    return {method: world.score(method, x, y) for method in world.gains}, world.baseline(x[:, 0])


def cells_of(study: Study, metric: str = "test_accuracy") -> pd.DataFrame:
    """A study as a table of cells, one row per run, with its scores in column `metric`."""
    parts = []
    for grid in study.grids:
        s, i, j = np.indices(grid.scores.shape).reshape(3, -1)
        runs = _runs(grid, grid.method, s, i, grid.scores[s, i, j], metric)
        parts.append(runs.assign(u=grid.unlabelled[j], n_unlabelled=grid.n_unlabelled[i, j]))
    s, i = np.indices(grid.baseline.shape).reshape(2, -1)
    parts.append(_runs(grid, SUPERVISED, s, i, grid.baseline[s, i], metric).assign(u=np.nan, n_unlabelled=0.0))
    return pd.concat(parts, ignore_index=True).assign(n_test=study.world.noise.test_images or np.nan)


def _runs(grid: Grid, method: str, s: np.ndarray, i: np.ndarray, scores: np.ndarray, metric: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"encoder": grid.encoder, "method": method, "l": grid.labelled[i], "seed": grid.seeds[s]}
        | {"n_labelled": grid.n_labelled[i], metric: scores}
    )


def _own(rng: np.random.Generator, noise: Noise, shape: tuple[int, ...], arm: str) -> np.ndarray:
    """Each run's own noise: half of the variance of a run of `sd` 1."""
    tails = noise.tails
    values = (
        rng.standard_normal(shape) if tails is None else rng.standard_t(tails, shape) / np.sqrt(tails / (tails - 2))
    )
    return values / np.sqrt(2) * (4 if noise.loud == arm else 1)


ALIKE, OF_ARM = 0.5, 0.25  # shares of the variance due to test images: common to all cells, and common to an arm


def _test_noise(rng: np.random.Generator, noise: Noise, truth: dict, baseline: np.ndarray) -> dict[str, np.ndarray]:
    """What the choice of test images adds to the score of each cell, equally in all seeds."""
    arms = {"baseline": baseline, **truth}
    if noise.test_images is None:
        return {arm: np.zeros(values.shape) for arm, values in arms.items()}
    shared, found = rng.normal(0, np.sqrt(ALIKE)), {}
    for arm, values in arms.items():
        own = rng.normal(0, np.sqrt(OF_ARM)) + rng.normal(0, np.sqrt(1 - ALIKE - OF_ARM), values.shape)
        found[arm] = _image_sd(noise, values) * (shared + own)
    return found


def _image_sd(noise: Noise, scores: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(scores * (1 - scores), 0, None) / (noise.test_images or np.inf))


def _image_variance(noise: Noise, truth: dict, baseline: np.ndarray) -> dict[str, np.ndarray]:
    theirs = _image_sd(noise, baseline)[:, None]
    return {method: _of_difference(_image_sd(noise, true), theirs, ALIKE) for method, true in truth.items()}


def between_amounts(noise: Noise, true: np.ndarray) -> np.ndarray:
    """The variance due to test images of differences between two amounts of one arm, `[L, U, U]`; scores `[L, U]`."""
    sd = _image_sd(noise, true)
    return _of_difference(sd[:, :, None], sd[:, None, :], ALIKE + OF_ARM)


def _of_difference(a: np.ndarray, b: np.ndarray, common: float) -> np.ndarray:
    return common * (a - b) ** 2 + (1 - common) * (a**2 + b**2)


def _spoilt(rng: np.random.Generator, noise: Noise, scores: np.ndarray) -> np.ndarray:
    scores = np.where(rng.random(scores.shape) < noise.collapsed, CHANCE, np.clip(scores, 0, 1))
    return np.where(rng.random(scores.shape) < noise.missing, np.nan, scores)


def _power(x: np.ndarray) -> np.ndarray:
    return 0.75 - 0.12 * (x**-0.25 - 1)


def _nothing(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.zeros(np.broadcast(x, y).shape)


def _steps(gains: tuple[float, ...]) -> Gain:
    """The `gains` at the levels of `UNLABELLED`, interpolated linearly in log."""
    return lambda x, y: np.interp(np.log(y), np.log(UNLABELLED), gains) + 0 * x


def _logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


_METHODS = ("autoencoder", "vae", "simclr", "vicreg", "gan", "rotation")
_KIND = World("power laws", _power, {"autoencoder": lambda x, y: 0.05 - 0.02 * x - 0.015 * (y**-0.25 - 1)})
_NULL = replace(_KIND, name="nothing true", gains={"autoencoder": _nothing})


def _with(world: World, name: str, noise: dict | None = None, **changes) -> World:
    return replace(world, name=name, noise=replace(world.noise, **(noise or {})), **changes)


WORLDS = {world.name: world for world in (
    _KIND,
    _with(_KIND, "logarithmic", baseline=lambda x: 0.7 + 0.08 * np.log10(x),
          gains={"autoencoder": lambda x, y: 0.04 + 0.02 * np.log10(y) + 0 * x}),
    _with(_KIND, "exponential", baseline=lambda x: 0.7 - 0.35 * np.exp(-4 * x),
          gains={"autoencoder": lambda x, y: 0.04 * (1 - np.exp(-9 * y)) + 0 * x}),
    _with(_KIND, "S-shaped", baseline=lambda x: 0.3 + 0.4 * _logistic(3 * (np.log10(x) + 0.8)),
          gains={"autoencoder": lambda x, y: 0.06 * _logistic(4 * (np.log10(y) + 1)) + 0 * x}),
    _with(_KIND, "hill in u", gains={"autoencoder": _steps((0, 0.05, 0.05, 0.05, 0))}),
    _with(_KIND, "rises at the last step", gains={"autoencoder": _steps((0, 0, 0, 0, DELTA))}),
    _with(_KIND, "each step gains δ", gains={"autoencoder": _steps((0, DELTA, 2 * DELTA, 3 * DELTA, 4 * DELTA))}),
    _with(_KIND, "crossing", gains={"autoencoder": lambda x, y: 0.06 - 0.1 * x**0.5 - 0.005 * (y**-0.25 - 1)}),
    _with(_KIND, "ceiling", baseline=lambda x: 0.995 - 0.004 * (x**-0.5 - 1),
          gains={"autoencoder": lambda x, y: 0.002 + 0.002 * np.log10(y) + 0 * x}, noise={"sd": 0.003}),
    _with(_KIND, "chance", baseline=lambda x: 0.1 + 0.02 * x, gains={"autoencoder": _nothing}),
    _with(_KIND, "all exactly δ", gains={"autoencoder": lambda x, y: DELTA + _nothing(x, y)}),
    _NULL,
    _with(_NULL, "nothing true, 3 numbers of labels", labelled=(0.02, 0.1, 0.5)),
    _with(_NULL, "nothing true, 6 methods", gains=dict.fromkeys(_METHODS, _nothing)),
    _with(_NULL, "exactly δ, 6 methods", gains={m: (lambda x, y: DELTA + _nothing(x, y)) for m in _METHODS}),
    _with(_NULL, "nothing true, 6 methods, 3 numbers of labels", labelled=(0.02, 0.1, 0.5),
          gains=dict.fromkeys(_METHODS, _nothing)),
    _with(_NULL, "heavy tails", {"tails": 3}),
    _with(_NULL, "louder baseline", {"loud": "baseline"}),
    _with(_NULL, "louder method", {"loud": "autoencoder"}),
    _with(_NULL, "one loud method of 6", {"loud": "gan"}, gains=dict.fromkeys(_METHODS, _nothing)),
    _with(_NULL, "louder with few labels", {"few_labels": 4}),
    _with(_NULL, "quieter with few labels", {"few_labels": 0.25}),
    _with(_NULL, "louder with few unlabelled images", {"few_unlabelled": 4}),
    _with(_NULL, "quieter with few unlabelled images", {"few_unlabelled": 0.25}),
    _with(_NULL, "twice as loud with the most unlabelled images", {"last": 2}),
    _with(_NULL, "four times as loud with the most unlabelled images", {"last": 4}),
    _with(_NULL, "twice as loud with one number of labels", {"spike": 2}),
    _with(_NULL, "collapsed runs", {"collapsed": 0.02}),
    _with(_NULL, "missing runs", {"missing": 0.1}),
    _with(_NULL, "1,000 test images", {"test_images": 1000}),
    _with(_KIND, "power laws, 3 numbers of labels", labelled=(0.02, 0.1, 0.5)),
)}  # fmt: skip
