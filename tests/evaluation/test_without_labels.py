"""Clusters, the map, and the shuffled control: what needs no labels, or only to measure."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from torch import nn

from sslfast import create_encoder, make_split
from sslfast.errors import ConfigError, DataError
from sslfast.evaluation import clean_batches, cluster, embed_2d, encode_pixels, shuffled
from sslfast.models import initialised_with


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


@pytest.fixture(scope="module")
def pixels(digits, split):
    return encode_pixels(digits, split, split.labelled(1))


@pytest.fixture
def encoder(digits, split):
    with initialised_with(0, "encoder"):
        made = create_encoder("conv", 1, 8).train()
        for layer in made:
            if isinstance(layer, nn.BatchNorm2d):  # scales and shifts as after some training
                nn.init.normal_(layer.weight, 1, 0.2)
                nn.init.normal_(layer.bias, 0, 0.2)
    with torch.no_grad():
        for x in clean_batches(digits.train, split.labelled(1), split):
            made(x)
    return made.eval()


@pytest.fixture
def batches(digits, split):
    return list(clean_batches(digits.train, split.labelled(1), split))


def test_clusters_of_digits_follow_their_classes(pixels, digits):
    found = cluster(pixels.test, digits.test.y.numpy(), 10)
    assert found.accuracy > 0.65 and found.nmi > 0.6


def test_clusters_that_are_the_classes_score_1_whatever_their_numbers():
    y = np.repeat([2, 0, 1], 10)
    found = cluster(np.eye(3, dtype=np.float32)[y] + 0.01, y, 3)
    assert (found.accuracy, found.nmi) == (1, 1)
    assert np.array_equal(found.clusters, y)


def test_accuracy_is_that_of_the_best_of_all_matchings():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 4)).astype(np.float32), rng.integers(4, size=60)
    found = cluster(x, y, 4)
    best = max((np.array(names)[found.clusters] == y).mean() for names in itertools.permutations(range(4)))
    assert found.accuracy == pytest.approx(best)
    assert found.nmi == pytest.approx(normalized_mutual_info_score(y, found.clusters))


def test_length_of_features_and_order_of_classes_do_not_change_clusters(pixels, digits):
    y = digits.test.y.numpy()
    plain, scaled = cluster(pixels.test, y, 10), cluster(pixels.test * 7, y, 10)
    assert np.array_equal(plain.clusters, scaled.clusters)
    assert cluster(pixels.test, 9 - y, 10).accuracy == plain.accuracy


def test_images_without_label_are_clustered_and_not_counted(pixels, digits):
    y = digits.test.y.numpy().copy()
    whole = cluster(pixels.test, y, 10)
    y[::2] = -1
    half = cluster(pixels.test, y, 10)
    assert len(half.clusters) == len(y)
    assert half.accuracy == pytest.approx((half.clusters == y)[1::2].mean()) and abs(half.nmi - whole.nmi) < 0.1
    with pytest.raises(DataError, match="labels: found none"):
        cluster(pixels.test, y * 0 - 1, 10)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_images_than_classes_and_equal_images_are_clustered_too(n):
    assert cluster(np.eye(5, dtype=np.float32)[:n], np.arange(n), 5).accuracy == 1
    assert cluster(np.ones((n, 5), np.float32), np.arange(n), 5).accuracy == pytest.approx(1 / n)


def test_same_seed_gives_the_same_clusters_and_map(pixels, digits):
    y = digits.test.y.numpy()
    assert np.array_equal(cluster(pixels.test, y, 10, seed=3).clusters, cluster(pixels.test, y, 10, seed=3).clusters)
    assert np.array_equal(embed_2d(pixels.test[:150], seed=3), embed_2d(pixels.test[:150], seed=3))


def test_on_the_map_a_digits_neighbour_is_mostly_the_same_digit(pixels, digits):
    places, y = embed_2d(pixels.test), digits.test.y.numpy()
    assert places.shape == (len(y), 2) and places.dtype == np.float32
    distance = ((places[:, None] - places[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    assert (y[distance.argmin(1)] == y).mean() > 0.85


@given(st.integers(0, 14), st.integers(1, 14), st.integers(1, 60))
def test_any_number_of_images_and_features_has_a_finite_map(n, different, d):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((max(1, min(n, different)), d)).astype(np.float32)
    places = embed_2d(x[np.arange(n) % len(x)])
    assert places.shape == (n, 2) and np.isfinite(places).all()


def test_few_images_are_placed_by_their_principal_components():
    x = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(float)
    centred = unit - unit.mean(0)
    u, s, _ = np.linalg.svd(centred)
    assert np.allclose(np.abs(embed_2d(x)), np.abs(u[:, :2] * s[:2]), atol=1e-5)


def test_shuffling_keeps_the_values_of_every_tensor_and_moves_them(encoder, batches):
    control = shuffled(encoder, 0, batches)
    for (name, before), after in zip(encoder.named_parameters(), control.parameters(), strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values), name
        assert not torch.equal(before, after), name


@given(st.integers(0, 2**40), st.integers(1, 4), st.integers(1, 3))
def test_even_a_tiny_layer_changes_in_every_tensor_that_can(seed, c_in, c_out):
    layer = nn.Conv2d(c_in, c_out, 1)
    control = shuffled(nn.Sequential(layer), seed)[0]
    for before, after in zip(layer.parameters(), control.parameters(), strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
        assert torch.equal(before, after) == (before.numel() == 1)


def test_scale_and_shift_of_a_channel_stay_together(encoder, batches):
    control = shuffled(encoder, 0, batches)
    for before, after in zip(encoder, control, strict=True):
        if isinstance(before, nn.BatchNorm2d):
            pairs = [sorted(zip(m.weight.tolist(), m.bias.tolist(), strict=True)) for m in (before, after)]
            assert pairs[0] == pairs[1]


def test_shuffling_depends_on_the_seed_only_and_leaves_the_encoder(encoder, batches):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    states = [shuffled(encoder, seed, batches).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in before)
    assert not torch.equal(states[0]["0.weight"], states[2]["0.weight"])
    assert all(torch.equal(value, before[k]) for k, value in encoder.state_dict().items())


def test_batchnorm_of_the_control_has_the_statistics_of_its_own_inputs(encoder, batches):
    control = shuffled(encoder, 0, batches)
    means = [control[0](x).double() for x in batches]
    expected = torch.stack([m.mean((0, 2, 3)) for m in means]).mean(0)
    spread = torch.stack([m.var((0, 2, 3)) for m in means]).mean(0)
    assert torch.allclose(control[1].running_mean.double(), expected, atol=1e-5)
    assert torch.allclose(control[1].running_var.double(), spread, rtol=1e-4)
    assert not torch.allclose(encoder[1].running_mean.double(), expected, atol=1e-2)
    assert control.training == encoder.training and control[1].momentum == encoder[1].momentum


def test_an_encoder_with_batchnorm_needs_batches_and_others_do_not(encoder):
    with pytest.raises(ConfigError, match="batches: found none, expected batches of training images"):
        shuffled(encoder, 0)
    plain = create_encoder("original", 3, 16)
    assert not torch.equal(shuffled(plain, 0)[0].weight, plain[0].weight)
