"""Features of clean images: what they are, what they leave alone, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslfast import create_encoder, make_split
from sslfast.data.images import ImageSet
from sslfast.errors import ConfigError, DataError
from sslfast.evaluation import clean_batches, encode, encode_cell, encode_pixels
from sslfast.models import initialised_with


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


@pytest.fixture
def encoder(digits, split):
    with initialised_with(0, "encoder"):
        made = create_encoder("conv", 1, 8).train()
    with torch.no_grad():
        for x in clean_batches(digits.train, split.labelled(1), split):
            made(x)  # BatchNorm takes up statistics
    return made


def by_hand(encoder, images, rows, split):
    x = (images.x[rows].double() / 255 - split.mean[0]) / split.std[0]
    with torch.no_grad():
        maps = encoder.double().eval()(x).numpy()
    encoder.float().train()
    return maps


def image_set(n, channels, size):
    x = torch.randint(256, (n, size, size, channels), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageSet(x.permute(0, 3, 1, 2), torch.zeros(n, dtype=torch.int64), ("a", "b"))


def test_features_are_those_of_normalised_unaugmented_images(digits, split, encoder):
    rows = split.labelled(0.3)
    maps = by_hand(encoder, digits.train, rows, split)
    options = {"precision": "float32"}
    mean = encode(encoder, digits.train, rows, split, pooling="mean", **options)
    flat = encode(encoder, digits.train, rows, split, pooling="flatten", **options)
    assert mean.dtype == flat.dtype == np.float32
    assert (mean > 0.01).any(axis=0).mean() > 0.5  # else all that follows would hold of an encoder that gives nothing
    assert np.allclose(mean, maps.mean((2, 3)), atol=1e-5)
    assert np.allclose(flat, maps.reshape(len(rows), -1), atol=1e-5)


def test_encoder_is_left_bit_identical_and_in_its_mode(digits, split, encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encode(encoder, digits.train, split.valid, split)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert encoder.training and all(m.training for m in encoder.modules())


def test_an_encoder_that_changes_while_it_encodes_is_an_error(digits, split):
    class Restless(nn.BatchNorm2d):
        def forward(self, x):
            self.running_mean += 1e-6
            return super().forward(x)

    encoder = nn.Sequential(nn.Conv2d(1, 4, 3), Restless(4))
    with pytest.raises(RuntimeError, match=r"changed while it encoded: 1\.running_mean"):
        encode(encoder, digits.train, split.valid, split)


def test_encoding_twice_gives_the_same_bits_and_order_does_not_matter(digits, split, encoder):
    rows = split.labelled(1)
    once = encode(encoder, digits.train, rows, split, precision="float32")
    assert np.array_equal(once, encode(encoder, digits.train, rows, split, precision="float32"))
    backwards = encode(encoder, digits.train, rows[::-1], split, precision="float32")
    assert np.allclose(backwards[::-1], once, atol=1e-6)


def test_bfloat16_is_close_to_float32_and_not_the_same(digits, split, encoder):
    exact, rough = (encode(encoder, digits.train, split.valid, split, precision=p) for p in ("float32", "bfloat16"))
    assert rough.dtype == np.float32
    assert np.allclose(exact, rough, atol=0.05 * np.abs(exact).max())
    assert not np.array_equal(exact, rough)


def test_a_cell_has_labelled_validation_and_test_images_and_no_test_labels(digits, split, encoder):
    rows = split.labelled(0.2)
    cell = encode_cell(encoder, digits, split, rows)
    assert (len(cell.train), len(cell.valid), len(cell.test)) == (len(rows), len(split.valid), len(digits.test))
    assert np.array_equal(cell.train_y, digits.train.y[rows]) and cell.n_classes == 10
    assert np.array_equal(cell.valid_y, digits.train.y[split.valid])
    assert not hasattr(cell, "test_y")


@pytest.mark.parametrize("label", [0.02, 0.05, 0.5])
def test_who_has_few_labels_has_no_more_to_choose_by(digits, split, label):
    rows = split.labelled(label)
    n = min(len(rows), len(split.valid))
    cell = encode_pixels(digits, split, rows)
    chosen = split.valid[split.samples(n)]
    assert len(cell.valid) == len(set(chosen)) == n
    assert np.array_equal(cell.valid_y, digits.train.y[chosen])
    assert len(np.unique(cell.valid_y)) == 10  # of all classes
    own = encode(nn.Identity(), digits.train, chosen, split, pooling="flatten", precision="float32")
    assert np.array_equal(cell.valid, own)


def test_features_of_the_pixels_control_are_the_pixels(digits, split):
    cell = encode_pixels(digits, split, split.labelled(0.1))
    pixels = digits.test.x.flatten(1).double().numpy() / 255
    assert np.allclose(cell.test * split.std[0] + split.mean[0], pixels, atol=1e-6)


def test_flat_features_of_large_images_are_means_over_squares(digits, split):
    images = image_set(3, 1, 130)
    found = encode(nn.Identity(), images, np.arange(3), split, pooling="flatten")
    x = (images.x.double().numpy()[:, 0] / 255 - split.mean[0]) / split.std[0]
    square = 3  # 65 × 65 would be more than 4,096
    edges = range(0, 130, square)
    expected = np.array([[im[i : i + square, j : j + square].mean() for i in edges for j in edges] for im in x])
    assert found.shape == (3, 44 * 44) and np.allclose(found, expected, atol=1e-5)


@settings(max_examples=12)
@given(st.sampled_from([1, 3]), st.sampled_from([8, 9, 32, 33, 65, 512]), st.sampled_from(["original", "conv"]))
def test_any_image_size_and_channels_have_features_of_bounded_length(channels, size, name):
    split = type("Statistics", (), {"mean": (0.4,) * channels, "std": (0.2,) * channels})
    encoder = create_encoder(name, channels, size)
    images = image_set(2, channels, size)
    mean, flat = (encode(encoder, images, np.arange(2), split, pooling=p) for p in ("mean", "flatten"))
    assert mean.shape == (2, encoder.out_shape[0])
    assert flat.shape[1] <= 4096
    assert mean.shape[1] <= flat.shape[1]


def test_clean_batches_are_never_augmented(digits, split):
    batches = [torch.cat(list(clean_batches(digits.train, split.labelled(1), split))) for _ in range(2)]
    assert torch.equal(*batches)
    assert batches[0].mean().abs() < 1e-3 and abs(float(batches[0].std()) - 1) < 1e-3


def test_broken_features_are_refused_in_one_line(digits, split, encoder):
    with torch.no_grad():
        encoder[0].weight[0] = float("nan")
    n = len(split.valid)
    with pytest.raises(DataError, match=f"{n} of {n} images have features that are not finite.*diverged"):
        encode(encoder, digits.train, split.valid, split)
    with pytest.raises(ConfigError, match="pooling: found 'max', expected mean or flatten"):
        encode(encoder, digits.train, split.valid, split, pooling="max")
