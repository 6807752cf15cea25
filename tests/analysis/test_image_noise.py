"""What the choice of test images adds to a difference is read off the predictions, and it is in the intervals."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hostile import trying
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.image_noise import image_variance, influences

CLASSES = 4


def predicted(rng, labels, accuracy, hard):
    """Predictions: images that are `hard` are often wrong, in every seed."""
    right = rng.random(len(labels)) < np.where(hard, accuracy - 0.6, accuracy + 0.25)
    return np.where(right, labels, (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES).astype(np.uint8)


@given(st.integers(0, 1000))
def test_influences_are_how_much_an_image_moves_the_score(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, 400)
    guesses = predicted(rng, labels, 0.7, rng.random(400) < 0.3)
    twice = int(rng.integers(400))  # one image more of a kind that is there
    for metric, score in (
        ("test_accuracy", lambda y, p: np.mean(y == p)),
        ("test_macro_f1", lambda y, p: f1_score(y, p, average="macro")),
    ):
        moved = score(np.append(labels, labels[twice]), np.append(guesses, guesses[twice])) - score(labels, guesses)
        assert influences(guesses, labels)[metric][twice] / 400 == pytest.approx(moved, abs=3e-5)


def study(rng, n_test: int, n_seeds: int) -> tuple[pd.DataFrame, dict, np.ndarray]:
    """Two arms that are truly as good, each with images that are hard for it: on few images they differ."""
    labels = rng.integers(0, CLASSES, n_test)
    rows, predictions = [], {}
    for method, u in (("autoencoder", 1.0), ("supervised", np.nan)):
        hard = rng.random(n_test) < 0.3
        for seed in range(n_seeds):
            made = predicted(rng, labels, 0.7, hard)
            record = f"{method}-{seed}"
            predictions[record] = made
            score = float(np.mean(made == labels))
            rows.append({"record": record, "encoder": "e", "evaluate": "head", "method": method, "u": u, "l": 0.1,
                         "seed": seed, "status": "ok", "n_labelled": 100, "n_unlabelled": 0 if u != 1 else 1000,
                         "test_accuracy": score, "test_macro_f1": f1_score(labels, made, average="macro")})  # fmt: skip
    return pd.DataFrame(rows), predictions, labels


@trying(60, 400)
def test_with_it_intervals_cover_what_holds_for_images_like_these(n):
    rng = np.random.default_rng(1)
    covered = dict.fromkeys(product(("test_accuracy", "test_macro_f1"), (False, True)), 0)
    for _ in range(n):
        cells, predictions, labels = study(rng, 500, 5)
        noise = image_variance(cells, predictions, labels)
        for metric, known in covered:
            row = contrasts(cells, metric, image_noise=noise if known else None).iloc[0]
            assert np.isfinite(row.image_se) == known
            covered[metric, known] += row.low <= 0 <= row.high
    for (_, known), often in covered.items():
        assert often / n > 0.89 if known else often / n < 0.8, covered  # seeds alone say too little


def test_arms_that_find_the_same_images_hard_have_none():
    rng = np.random.default_rng(0)
    cells, predictions, labels = study(rng, 500, 3)
    ours = {name: made for name, made in predictions.items() if name.startswith("auto")}
    alike = ours | {f"supervised-{seed}": ours[f"autoencoder-{seed}"] for seed in range(3)}
    assert image_variance(cells, alike, labels)[["test_accuracy", "test_macro_f1"]].eq(0).all(axis=None)


def test_predictions_of_other_images_and_single_seeds_tell_nothing():
    cells, predictions, labels = study(np.random.default_rng(0), 100, 3)
    assert image_variance(cells, predictions, labels[:50]).test_accuracy.isna().all()
    assert image_variance(cells[cells.seed == 0], predictions, labels).test_accuracy.isna().all()
