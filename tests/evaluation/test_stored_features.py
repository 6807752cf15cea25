"""Features of a net that is the same for all seeds: computed once, and the same whoever asks for them."""

import numpy as np
import pytest
import torch
from base_weights import LITE0, write_lite0

from sslfast.data.splits import make_split
from sslfast.evaluation import StoredFeatures, encode
from sslfast.evaluation import features as stored_features
from sslfast.models import base_encoder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return base_encoder(LITE0, write_lite0(tmp_path_factory.mktemp("weights") / "w.safetensors"), size=32)


@pytest.fixture
def store(net, digits, tmp_path):
    def make(seed=0, folder=tmp_path, precision="float32"):
        split = make_split(digits, seed, 0.1)
        ours = net.for_images(1, 8, split.mean, split.std)
        return StoredFeatures(ours, digits, split, folder, CPU, precision)

    return make


@pytest.fixture
def passes(monkeypatch):
    """How many images went through the net."""
    found, real = [], stored_features.encode_batches

    def counting(frozen, images, rows, *rest):
        found.append(len(rows))
        return real(frozen, images, rows, *rest)

    monkeypatch.setattr(stored_features, "encode_batches", counting)
    return found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_feature_is_the_same_to_the_bit_whatever_else_is_asked_for(store, digits, precision):
    rows = np.random.default_rng(0).permutation(len(digits.train))[:150]
    whole = store(folder=None, precision=precision)(digits.train, rows)
    for part in (rows[:1], rows[::-1], rows[40:110], np.repeat(rows[:3], 2)):
        at = [int(np.flatnonzero(rows == row)[0]) for row in part]
        assert np.array_equal(store(seed=7, folder=None, precision=precision)(digits.train, part), whole[at])


def test_it_is_what_encode_gives(store, digits):
    rows = np.arange(70)
    found, made = store()(digits.test, rows), store()
    expected = encode(made.encoder, digits.test, rows, made.split, precision="float32", pooling="mean")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_another_seed_and_another_job_find_it_there(store, digits, passes):
    first = store(seed=0)(digits.train, np.arange(100))
    assert sum(passes) == 128  # two whole batches
    again = store(seed=1)(digits.train, np.arange(90, 110))
    assert sum(passes) == 192
    assert np.array_equal(again[:10], first[90:])
    store(seed=2)(digits.test, np.arange(3))
    assert sum(passes) == 256  # test images are others


def test_damaged_and_unfinished_rows_are_computed_again(store, digits, passes, tmp_path):
    whole = store()(digits.train, np.arange(20))
    path = tmp_path / "train.features"
    content = bytearray(path.read_bytes())
    content[5 * 4 * 1280 + 7] ^= 1
    path.write_bytes(content)
    passes.clear()
    assert np.array_equal(store()(digits.train, np.arange(20)), whole)
    assert passes == [64]


def test_where_the_disk_is_full_nothing_is_kept_and_all_goes_on(store, digits, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    expected = store(folder=None)(digits.train, np.arange(5))
    monkeypatch.setattr(stored_features.os, "posix_fallocate", full)
    assert np.array_equal(store()(digits.train, np.arange(5)), expected)
    assert "features are not kept" in capsys.readouterr().out
