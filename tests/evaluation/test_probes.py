"""Linear probe and nearest neighbours: right by independent formulas, and on real digits."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sslfast import make_split
from sslfast.errors import DataError
from sslfast.evaluation import Encoded, encode_pixels, knn, linear_probe
from sslfast.evaluation.neighbours import _nearest

PROBES = [linear_probe, knn]


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


@pytest.fixture(scope="module")
def pixels(digits, split):
    return encode_pixels(digits, split, split.labelled(1))


def made_up(n=60, d=5, n_classes=3, seed=0, **changes):
    """Classes as clouds around random centres."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((n_classes, d))

    def images(m):
        y = np.arange(m) % n_classes
        return (centres[y] + rng.standard_normal((m, d))).astype(np.float32), y

    (train, train_y), (valid, valid_y), (test, _) = images(n), images(30), images(40)
    return dataclasses.replace(Encoded(train, train_y, valid, valid_y, test, n_classes), **changes)


def accuracy(scores, digits):
    return (scores.test.argmax(1) == digits.test.y.numpy()).mean()


@pytest.mark.parametrize("probe", PROBES)
def test_raw_pixels_of_digits_tell_them_apart(probe, pixels, digits):
    scores = probe(pixels)
    assert accuracy(scores, digits) > 0.9
    assert scores.notes["valid_accuracy"] == pytest.approx((scores.valid.argmax(1) == pixels.valid_y).mean())


@pytest.mark.parametrize("probe", PROBES)
def test_scores_are_probabilities(probe, pixels):
    scores = probe(pixels)
    for found, n in ((scores.valid, len(pixels.valid)), (scores.test, len(pixels.test))):
        assert found.shape == (n, 10) and found.dtype == np.float32
        assert (found >= 0).all() and np.allclose(found.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("probe", PROBES)
def test_same_features_give_the_same_bits(probe, pixels):
    first, second = probe(pixels), probe(pixels)
    assert first.notes == second.notes
    assert np.array_equal(first.valid, second.valid) and np.array_equal(first.test, second.test)


@pytest.mark.parametrize("probe", PROBES)
@settings(max_examples=8)
@given(order=st.permutations(range(40)))
def test_the_order_of_the_test_images_does_not_matter(probe, order):
    cell = made_up()
    plain, mixed = probe(cell).test, probe(dataclasses.replace(cell, test=cell.test[order])).test
    assert np.allclose(mixed, plain[order], atol=1e-6)


@pytest.mark.parametrize("probe", PROBES)
def test_test_images_choose_nothing(probe):
    cell = made_up()
    other = probe(dataclasses.replace(cell, test=cell.test[:1] + 100))
    assert other.notes == probe(cell).notes and np.array_equal(other.valid, probe(cell).valid)


@pytest.mark.parametrize("probe", PROBES)
def test_a_class_without_a_label_is_never_predicted(probe):
    cell = made_up(n_classes=4)
    kept = cell.train_y != 2
    scores = probe(dataclasses.replace(cell, train=cell.train[kept], train_y=cell.train_y[kept]))
    assert scores.test.shape == (40, 4)
    assert (scores.test[:, 2] == 0).all() and (scores.valid[:, 2] == 0).all()
    assert np.allclose(scores.test.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("probe", PROBES)
def test_a_class_missing_from_validation_is_predicted_all_the_same(probe):
    cell = made_up()
    kept = cell.valid_y != 1
    scores = probe(dataclasses.replace(cell, valid=cell.valid[kept], valid_y=cell.valid_y[kept]))
    assert 1 in scores.test.argmax(1)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_one_labelled_image_a_class_is_enough_to_work(probe, n_classes):
    scores = probe(made_up(n=n_classes, n_classes=n_classes, d=20))
    assert (scores.test.argmax(1) == np.arange(40) % n_classes).mean() > 2 / n_classes - 0.3 * (n_classes == 2)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("value", [0.0, 1.0, 1e-3 / 3])
def test_features_that_are_the_same_in_all_images_give_every_image_the_same_scores(probe, value):
    cell = made_up()
    same = {name: np.full_like(getattr(cell, name), value) for name in ("train", "valid", "test")}
    scores = probe(dataclasses.replace(cell, **same))
    assert np.isfinite(scores.test).all() and np.ptp(scores.test, axis=0).max() < 1e-6


@pytest.mark.parametrize("probe", PROBES)
def test_one_dead_feature_does_no_harm(probe):
    cell = made_up(n=90)
    dead = {name: np.pad(getattr(cell, name), ((0, 0), (0, 1))) for name in ("train", "valid", "test")}
    assert np.allclose(probe(dataclasses.replace(cell, **dead)).test, probe(cell).test, atol=1e-5)


def softmax_regression(x, y, n_classes, penalty):
    """Weights and biases that minimise mean cross-entropy + penalty / 2 · ‖weights‖², in float64."""

    def loss(theta):
        w, b = theta[:-n_classes].reshape(-1, n_classes), theta[-n_classes:]
        z = x @ w + b
        z -= z.max(1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        delta = (p - np.eye(n_classes)[y]) / len(x)
        gradient = np.concatenate([(x.T @ delta + penalty * w).ravel(), delta.sum(0)])
        return -np.log(p[np.arange(len(x)), y]).mean() + penalty / 2 * (w**2).sum(), gradient

    start = np.zeros((x.shape[1] + 1) * n_classes)
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return found[:-n_classes].reshape(-1, n_classes), found[-n_classes:]


@pytest.mark.parametrize("penalty", [1.0, 0.03])
def test_the_linear_probe_is_multinomial_logistic_regression_on_standardised_features(penalty):
    cell = made_up(d=4, seed=3)
    cell = dataclasses.replace(cell, **{n: getattr(cell, n) * [1, 10, 0.1, 3] + 5 for n in ("train", "valid", "test")})
    mean, std = cell.train.mean(0), cell.train.std(0)
    w, b = softmax_regression((cell.train - mean) / std, cell.train_y, 3, penalty)
    z = (cell.test - mean) / std @ w + b
    cell = dataclasses.replace(cell, **{n: np.float32(getattr(cell, n)) for n in ("train", "valid", "test")})
    scores = linear_probe(cell, penalties=[penalty])
    assert np.allclose(scores.test, np.exp(z) / np.exp(z).sum(1, keepdims=True), atol=2e-3)
    assert scores.notes["converged"]


def test_the_penalty_is_the_strongest_of_those_best_on_validation():
    cell = made_up(n=30, d=40, seed=1)
    penalties = (3.0, 0.3, 0.03)
    single = {p: linear_probe(cell, [p]) for p in penalties}
    best = max(scores.notes["valid_accuracy"] for scores in single.values())
    chosen = linear_probe(cell, penalties)
    assert chosen.notes["penalty"] == max(p for p in penalties if single[p].notes["valid_accuracy"] == best)
    assert np.allclose(chosen.test, single[chosen.notes["penalty"]].test, atol=2e-3)


def test_penalties_weaker_than_two_that_are_worse_than_the_best_are_not_tried(monkeypatch):
    tried = []
    accuracies = {3.0: 0.5, 1.0: 0.8, 0.3: 0.7, 0.1: 0.6, 0.03: 0.9}
    cell = made_up()

    class Model(LogisticRegression):
        def fit(self, x, y):
            tried.append(round(1 / (self.C * len(x)), 6))
            return super().fit(x, y)

        def predict(self, x):
            right = np.arange(len(x)) < accuracies[tried[-1]] * len(x)
            return np.where(right, cell.valid_y, -1)

    monkeypatch.setattr("sslfast.evaluation.linear.LogisticRegression", Model)
    assert linear_probe(cell, list(accuracies)).notes["penalty"] == 1.0
    assert tried == [3.0, 1.0, 0.3, 0.1, 1.0]


def test_a_probe_that_did_not_converge_says_so(pixels, monkeypatch):
    monkeypatch.setattr("sslfast.evaluation.linear.MAX_ITERATIONS", 3)
    assert linear_probe(pixels).notes["converged"] is False


def test_the_linear_probe_needs_two_classes():
    cell = made_up()
    with pytest.raises(DataError, match="labels: found images of 1 classes, expected two or more"):
        linear_probe(dataclasses.replace(cell, train_y=cell.train_y * 0))


def by_hand(cell, x, k, temperature):
    """Votes with sorting, an image at a time, in float64; of equals the first."""
    unit = [a.astype(float) / np.linalg.norm(a.astype(float), axis=1, keepdims=True) for a in (cell.train, x)]
    scores = np.zeros((len(x), cell.n_classes))
    for i, similarity in enumerate(unit[1] @ unit[0].T):
        for j in np.argsort(-similarity.round(6), kind="stable")[:k]:
            scores[i, cell.train_y[j]] += np.exp(similarity[j] / temperature)
    return scores / scores.sum(1, keepdims=True)


@pytest.mark.parametrize("k", [1, 7, 60, 500])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_neighbours_vote_with_the_exponential_of_their_cosine(k, temperature):
    cell = made_up()
    scores = knn(cell, [k], temperature)
    assert np.allclose(scores.test, by_hand(cell, cell.test, min(k, 60), temperature), atol=1e-4)
    assert scores.notes["k"] == min(k, 60)


def test_with_equal_weights_it_is_scikit_learns_classifier(pixels):
    theirs = KNeighborsClassifier(20, metric="cosine").fit(pixels.train, pixels.train_y).predict_proba(pixels.test)
    assert np.allclose(knn(pixels, [20], temperature=1e6).test, theirs, atol=1e-4)


def test_k_is_the_largest_of_those_best_on_validation():
    cell = made_up(n=45, d=3, seed=5)
    ks = (1, 5, 15, 45)
    single = {k: knn(cell, [k]) for k in ks}
    best = max(scores.notes["valid_accuracy"] for scores in single.values())
    chosen = knn(cell, ks)
    assert chosen.notes["k"] == max(k for k in ks if single[k].notes["valid_accuracy"] == best)
    assert np.array_equal(chosen.test, single[chosen.notes["k"]].test)


@given(st.integers(1, 24), st.integers(0, 1000))
def test_of_equally_similar_images_the_first_vote(k, seed):
    """Whole numbers on a few directions: many images are exactly as similar as each other."""
    rng = np.random.default_rng(seed)
    train = np.eye(3, dtype=np.float32)[rng.integers(3, size=24)]
    test = np.array([[1, 0, 0], [0, 2, 0], [3, 4, 0]], np.float32)
    cell = Encoded(train, rng.integers(4, size=24), test, np.zeros(3, int), test, 4)
    assert np.allclose(knn(cell, [k]).test, by_hand(cell, test, k, 0.07), atol=1e-5)


def test_blocks_change_nothing(pixels, monkeypatch):
    whole = knn(pixels)
    monkeypatch.setattr("sslfast.evaluation.neighbours.BLOCK", 10_000)
    parts = knn(pixels)
    assert np.allclose(whole.test, parts.test, atol=1e-5) and whole.notes == parts.notes


@given(st.integers(1, 24), st.integers(0, 1000))
def test_neighbours_are_in_order_so_that_a_smaller_k_takes_the_first_of_equals_too(k, seed):
    similarity = np.random.default_rng(seed).integers(4, size=(5, 24)).astype(np.float32)
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    values, places = _nearest(torch.from_numpy(similarity), k)
    assert np.array_equal(places.numpy(), expected)
    assert np.array_equal(values.numpy(), np.take_along_axis(similarity, expected, 1))
