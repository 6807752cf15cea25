"""How long networks are trained: in updates, which the labels decide, or in passes over images."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslfast.data.batches import BatchDL
from sslfast.data.loaders import ImageRows
from sslfast.study.length import ENCODER_UPDATES, MOMENTS, PASSES, enough_updates, length_of

STAGES = st.sampled_from(["pretrain", "classify", "supervised", "finetune"])
SHARES = st.floats(0.001, 1)
AMOUNTS = st.integers(1, 100_000)


@given(STAGES, AMOUNTS, SHARES, st.sampled_from(["updates", "epochs"]), st.integers(1, 10**6), st.integers(2, 512))
def test_every_fit_has_a_round_and_an_update_and_few_validations(stage, amount, share, budget, n, batch_size):
    length = length_of(stage, {budget: amount, "share": share}, budget, n, batch_size)
    assert length.rounds >= 1 and length.amount >= 1 and length.images(n) >= 1
    if budget == "updates":
        assert length.rounds <= MOMENTS
        updates = length.rounds * length.batches
        assert (
            length.amount <= updates < length.amount + min(length.batches, MOMENTS)
        )  # rounded up, to rounds of the same number
        assert length.batch_size == min(batch_size, n)
        assert length.images(n) == updates * length.batch_size


@given(st.sampled_from(["updates", "epochs"]), st.integers(1, 200), st.integers(2, 300), st.integers(2, 128))
def test_images_are_as_many_as_a_real_loader_gives(digits, budget, amount, n, batch_size):
    length = length_of("supervised", {budget: amount}, budget, n, batch_size)
    rows = ImageRows(digits.train, range(n), split_idx=0)
    loader = BatchDL(rows, bs=length.batch_size, shuffle=True, seed=0, n_batches=length.batches)
    batches = list(loader.get_idxs().split(loader.bs))
    assert length.rounds * sum(map(len, batches)) == length.images(n)
    assert len(batches) == len(loader) and torch.cat(batches).max() < n
    assert length.passes(n) == pytest.approx(length.images(n) / n)


@given(AMOUNTS, SHARES, SHARES)
def test_a_smaller_share_is_never_longer_and_the_whole_is_what_was_asked_for(amount, one, other):
    for budget in ("updates", "epochs"):
        found = [length_of("supervised", {budget: amount, "share": s}, budget, 500, 64) for s in sorted((one, other))]
        assert found[0].amount <= found[1].amount <= amount
        assert found[0].images(500) <= found[1].images(500)
        assert length_of("supervised", {budget: amount}, budget, 500, 64).amount == amount


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_labels_never_get_fewer_updates_and_none_gets_fewer_than_two_thousand(one, other):
    few, many = sorted((one, other))
    assert 2000 <= enough_updates(few) <= enough_updates(many)


def test_what_is_left_open_is_as_measured():
    assert enough_updates(54) == enough_updates(900) == 2000 < enough_updates(4_500) < enough_updates(45_000)
    auto = {"updates": "auto"}
    assert {length_of("pretrain", auto, "updates", n, 128).amount for n in (10, 45_000)} == {ENCODER_UPDATES}
    assert length_of("classify", auto, "updates", 4_500, 128).amount == enough_updates(4_500)


@given(st.integers(2, 400), st.integers(2, 400), st.integers(2, 128), st.integers(5_000, 20_000))
def test_equal_passes_are_equal_where_an_amount_is_smaller_than_a_batch_too(one, other, batch_size, updates):
    n, most = sorted((one, other))
    whole = length_of("pretrain", {"updates": updates}, "updates", most, batch_size)
    less = length_of("pretrain", {"updates": updates, "share": n / most}, "updates", n, batch_size, PASSES)
    passes = updates * min(batch_size, most) / most
    assert whole.passes(most) == pytest.approx(passes, rel=0.05)  # updates are rounded up, to rounds of the same number
    assert less.amount * min(batch_size, n) / n == pytest.approx(passes, abs=1)
