"""What callbacks note about a fit."""

import math

import pytest
import torch
from quiet import quiet

from sslfast import TimeToAccuracy, classifier_learner, image_dls
from sslfast.errors import ConfigError
from sslfast.training.callbacks import Diverged, History, SeedEpochs


@pytest.fixture
def learn(digits):
    dls = image_dls(digits, labelled=0.3, seed=0, bs=32, device="cpu")
    learn = classifier_learner(dls.classify, "original", seed=0)
    quiet(learn)
    return learn


def test_time_to_accuracy_is_the_first_epoch_at_or_above_the_threshold(learn):
    learn.add_cb(history := History())
    learn.fit(4, 5e-3)
    scores = [row["accuracy"] for row in history.rows]
    threshold = sorted(scores)[1]
    learn.remove_cb(history)
    learn.add_cbs([history, watch := TimeToAccuracy("accuracy", threshold)])
    learn.fit(4, 5e-3)
    first = next(row for row in history.rows if row["accuracy"] >= threshold)
    assert watch.reached.epochs == first["epoch"]
    assert watch.reached.images == first["images"] == first["epoch"] * len(learn.dls.train_ds)
    assert 0 < watch.reached.seconds <= first["seconds"] + 1


def test_a_threshold_that_is_never_reached_has_no_time(learn):
    learn.add_cb(watch := TimeToAccuracy("macro_f1", 1.1))
    learn.fit(1)
    assert watch.reached is None


def test_a_metric_that_is_not_recorded_is_named_before_training(learn):
    learn.add_cb(TimeToAccuracy("precision", 0.5))
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with pytest.raises(ConfigError, match=r"'precision', expected one that is recorded: .*macro_f1"):
        learn.fit(1)
    assert all(torch.equal(before[k], v) for k, v in learn.model.state_dict().items())


def test_history_has_a_row_an_epoch_and_survives_validation_and_prediction(learn):
    learn.add_cb(history := History())
    learn.fit(3)
    rows = list(history.rows)
    learn.validate()
    learn.get_preds()
    learn.lr_find(show_plot=False, num_it=5)
    assert history.rows == rows
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["images"] for row in rows] == [n * len(learn.dls.train_ds) for n in (1, 2, 3)]
    assert [row["updates"] for row in rows] == [n * len(learn.dls.train) for n in (1, 2, 3)]
    assert rows[0]["seconds"] < rows[1]["seconds"] < rows[2]["seconds"]
    assert set(rows[0]) == {"epoch", "train_loss", "valid_loss", "accuracy", "macro_f1", "seconds", "updates", "images"}


def test_a_loss_that_is_not_finite_ends_the_fit_and_says_in_which_epoch(learn):
    learn.add_cbs([history := History(), diverged := Diverged()])
    learn.model.head.register_forward_hook(lambda m, x, out: out * (math.nan if learn.epoch == 1 else 1))
    learn.fit(5)
    assert diverged.epoch_diverged == 2
    assert len(history.rows) == 2


def test_global_draws_of_an_epoch_depend_on_seed_and_epoch_only(learn):
    draws = []
    learn.model.head.register_forward_pre_hook(lambda m, x: draws.append(float(torch.rand(1))) if m.training else None)
    for start in (0, 99):
        torch.manual_seed(start)
        learn.fit(2, 0, cbs=SeedEpochs(7))
    half = len(draws) // 2
    assert draws[:half] == draws[half:]
    assert len(set(draws[:half])) == half
