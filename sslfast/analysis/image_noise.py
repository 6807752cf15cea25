"""How much a difference of scores would vary with other test images: all seeds share them, so seeds cannot show it.

The predictions of every run for every test image are on disk. From them follows how much each image moves a difference
of mean scores, and from that how far the difference would move with other images of the same kind.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from ..errors import ResultsError
from ..study.names import RANDOM, SUPERVISED, WITHOUT_ENCODER
from .base_nets import arm_runs, beside_each, keeps_encoder, starts

__all__ = ["METRICS", "check_image_noise", "image_variance", "influences"]

METRICS = ("test_accuracy", "test_macro_f1")
KEY = ["encoder", "evaluate", "l", "method", "u", "other", "other_u"]


def check_image_noise(table: pd.DataFrame, where: str = "image noise") -> None:
    """Raises `ResultsError` if `table` lacks a column of `image_variance`."""
    for name in [*KEY, *METRICS]:
        if name not in table:
            expected = "the file image_noise.parquet of a study"
            raise ResultsError(f"{where}: no column {name}; expected {expected}, with {', '.join([*KEY, *METRICS])}")


def influences(predictions: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """For each metric, how much each test image moves the score: `[N]`, with mean 0.

    The variance of these influences, divided by N, is the variance of the score. `predictions` and `labels` `[N]`:
    class indices. Macro-F1 is a smooth function of shares of images, so its influence is a derivative; a class counts
    if it occurs among labels or predictions. Source: Hampel 1974, The influence curve and its role in robust
    estimation.
    """
    n, classes = len(labels), int(max(predictions.max(), labels.max())) + 1
    right = predictions == labels
    hits = np.bincount(labels[right], minlength=classes) / n
    both = (np.bincount(labels, minlength=classes) + np.bincount(predictions, minlength=classes)) / n
    share = 1 / np.where(both > 0, both, np.inf) / np.count_nonzero(both)
    f1 = 2 * hits * share  # already divided by the number of classes
    lost = f1 / np.where(both > 0, both, np.inf)
    macro = 2 * share[labels] * right - lost[labels] - lost[predictions]
    return {"test_accuracy": right - right.mean(), "test_macro_f1": macro - macro.mean()}


def image_variance(cells: pd.DataFrame, predictions: Mapping[str, np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    """The variance of a difference of mean scores due to the choice of test images: one row per pair of settings.

    `predictions`: the predicted classes of each run, by the column `record` of `cells`; `labels`: the true classes of
    the test images. Each setting (encoder, evaluate, l, method, u) is paired with the baseline, with the random control
    (`other_u` 0), and with every smaller u of its method. In a study with an existing net, also each arm with each
    other (see `sslfast.analysis.arms`); these rows alone have `other_evaluate`.

    The variance is the covariance, over images, between the influences of different seeds. So it leaves out the chance
    of a single seed, which the spread over seeds already shows. Negative covariances become 0; NaN below two seeds.
    """
    rows = []
    cells = beside_each(cells)
    zero = starts(cells)
    pretrained = cells[~cells.method.isin(WITHOUT_ENCODER) & (cells.status == "ok")]
    baseline = cells[(cells.method == SUPERVISED) & (cells.status == "ok")]
    for (encoder, evaluate, label), part in pretrained.groupby(["encoder", "evaluate", "l"]):
        ours = {key: _of_seeds(runs, predictions, labels) for key, runs in part.groupby(["method", "u"])}
        base = baseline[(baseline.encoder == encoder) & (baseline.l == label)]
        theirs = {(SUPERVISED, np.nan): _of_seeds(base, predictions, labels)}
        for (method, u), mine in ours.items():
            start = zero.get(method, RANDOM)
            others = {k: v for k, v in ours.items() if k[1] < u and k[0] in (method, start)}
            for (other, other_u), found in {**theirs, **others}.items():
                key = (encoder, evaluate, label, method, u, other, other_u)
                rows.append(dict(zip(KEY, key, strict=True)) | _variances(mine, found))
    between = _between_arms(cells[cells.status == "ok"], predictions, labels)
    return pd.DataFrame(rows + between, columns=[*KEY, *["other_evaluate"] * bool(between), *METRICS])


def _between_arms(cells: pd.DataFrame, predictions: Mapping[str, np.ndarray], labels: np.ndarray) -> list[dict]:
    rows = []
    for (encoder, label), part in arm_runs(cells).groupby(["encoder", "l"]):
        ours = {key: _of_seeds(runs, predictions, labels) for key, runs in part.groupby(["evaluate", "method", "u"])}
        for (evaluate, method, u), (other_evaluate, other, other_u) in combinations(ours, 2):
            if evaluate == other_evaluate or not (keeps_encoder(evaluate) and keeps_encoder(other_evaluate)):
                key = (encoder, evaluate, label, method, u, other, other_u)
                found = _variances(ours[evaluate, method, u], ours[other_evaluate, other, other_u])
                rows.append(dict(zip(KEY, key, strict=True)) | {"other_evaluate": other_evaluate} | found)
    return rows


def _of_seeds(runs: pd.DataFrame, predictions: Mapping[str, np.ndarray], labels: np.ndarray) -> dict[int, dict]:
    found = {row.seed: predictions.get(row.record) for row in runs.itertuples()}
    return {s: influences(made, labels) for s, made in found.items() if made is not None and len(made) == len(labels)}


def _variances(ours: dict[int, dict], theirs: dict[int, dict]) -> dict[str, float]:
    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < 2:
        return dict.fromkeys(METRICS, np.nan)
    found = {}
    for metric in METRICS:
        moves = np.array([ours[s][metric] - theirs[s][metric] for s in seeds])
        between = (moves.sum(axis=0) ** 2).sum() - (moves**2).sum()
        found[metric] = max(0.0, float(between / (len(seeds) * (len(seeds) - 1)) / moves.shape[1] ** 2))
    return found
