"""What jobs ask a cluster for: never less than was measured, and more at each attempt."""

import pytest

from sslfast.cluster.needs import memory_mb, training_mb, training_minutes
from sslfast.study.datasets import NAMED

CIFAR = NAMED["cifar10"].n_images
# benchmarks/README.md, and while training on images of 96 pixels: MB that a job held for itself
HELD = {
    ("original", 128, 32): 429,
    ("conv", 128, 32): 526,
    ("conv", 128, 96): 624,
    ("resnet18", 128, 32): 1022,
    ("resnet18", 256, 32): 1804,
}


@pytest.mark.parametrize(("job", "held"), HELD.items())
def test_memory_is_twice_what_was_measured_and_more(job, held):
    encoder, batch_size, side = job
    assert training_mb(encoder, batch_size, CIFAR, side) >= 2 * held


def test_time_is_more_than_measured_rates_need():
    """Images a second: 2,894 pre-training, 5,952 supervised, 35,112 over features (benchmarks/README.md)."""
    assert training_minutes("pretrain", "conv", 100 * 45_000, 45_000, 32) > 100 * 45_000 / 2_894 / 60
    assert training_minutes("supervised", "conv", 100 * 45_000, 45_000, 32) > 100 * 45_000 / 5_952 / 60
    features = 14.4  # seconds for eight views of 22,500 images
    assert training_minutes("classify", "conv", 100 * 22_500, 22_500, 32) > (features + 100 * 22_500 / 35_112) / 60


@pytest.mark.parametrize("attempt", [2, 3])
def test_a_retry_asks_for_that_many_times_as_much(attempt):
    assert memory_mb(CIFAR, 32, attempt) == pytest.approx(attempt * memory_mb(CIFAR, 32), abs=attempt)
    once = training_mb("conv", 128, CIFAR, 32)
    assert training_mb("conv", 128, CIFAR, 32, attempt) == pytest.approx(attempt * once, abs=2 * attempt)
    minutes = training_minutes("pretrain", "conv", 45_000, 4_500, 32)
    assert training_minutes("pretrain", "conv", 45_000, 4_500, 32, attempt) == attempt * minutes


def test_what_counts_is_how_many_images_are_seen_and_of_a_frozen_encoder_how_many_there_are():
    for stage in ("pretrain", "supervised", "finetune"):
        few, many = (training_minutes(stage, "conv", 512_000, n, 32) for n in (54, 45_000))
        assert few == many
    assert training_minutes("classify", "conv", 512_000, 54, 32) < training_minutes(
        "classify", "conv", 512_000, 45_000, 32
    )


def test_no_job_asks_for_more_than_a_day():
    assert training_minutes("pretrain", "resnet18", 5e7, 50_000, 32, attempt=4) == 24 * 60


def test_larger_networks_images_and_batches_ask_for_more():
    assert training_mb("conv_x2", 128, CIFAR, 32) > training_mb("conv", 128, CIFAR, 32)
    assert training_mb("timm.resnet10t", 128, CIFAR, 64) > training_mb("timm.resnet10t", 128, CIFAR, 32)
    assert training_mb("conv", 128, CIFAR, 32, gpu=True) > training_mb("conv", 128, CIFAR, 32)
    small, large = (training_minutes("pretrain", encoder, 45_000, 45_000, 32) for encoder in ("conv", "resnet18"))
    assert large > small
    assert training_minutes("pretrain", "conv", 45_000, 45_000, 96) > small


@pytest.mark.parametrize("stage", ["pretrain", "supervised", "finetune", "classify", "linear", "knn"])
def test_every_stage_that_trains_has_a_rate(stage):
    assert training_minutes(stage, "conv", 10_000, 1_000, 32) > 0
