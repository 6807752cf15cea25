"""Which images become labelled, unlabelled and validation, and in what order."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslfast import load_dataset, make_split
from sslfast.data.images import Arrays, ImageData, from_arrays
from sslfast.data.splits import Split, read_split, split_off, stratified_order, write_split
from sslfast.errors import ConfigError, DataError, RecordError

fraction = st.integers(0, 100).map(lambda percent: percent / 100)
some_fraction = st.integers(1, 100).map(lambda percent: percent / 100)
seeds = st.integers(0, 2**31 - 1)


def images_with(labels: np.ndarray, n_classes: int, name: str = "made-up", fingerprint: str = "0") -> ImageData:
    """A data set with these training labels; its pixels are random."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (len(labels), 2, 2, 1), dtype=np.uint8)
    names = tuple(f"class {i}" for i in range(n_classes))
    arrays = Arrays(x, np.asarray(labels, dtype=np.int64), x[:1], np.zeros(1, dtype=np.int64), names)
    return from_arrays(name, arrays, fingerprint)


@st.composite
def image_sets(draw) -> ImageData:
    """Two to six classes of 2 to 80 images each, however unequal, and up to 40 images without a label."""
    counts = draw(st.lists(st.one_of(st.integers(2, 6), st.integers(2, 80)), min_size=2, max_size=6))
    labels = np.repeat([-1, *range(len(counts))], [draw(st.integers(0, 40)), *counts])
    return images_with(np.random.default_rng(draw(seeds)).permutation(labels), len(counts))


@st.composite
def splits(draw) -> Split:
    return make_split(draw(image_sets()), draw(seeds), draw(st.sampled_from([0.05, 0.1, 0.3, 0.5])))


def labels_of(split: Split, rows: np.ndarray) -> np.ndarray:
    return split.table["class"].to_numpy()[rows]


def same(one: Split, other: Split) -> bool:
    return one.table.equals(other.table)


# ── nested ──────────────────────────────────────────────────────────────────────────────────────


@given(splits(), fraction, fraction)
def test_larger_labelled_fraction_contains_the_smaller(split, f, g):
    small, large = sorted((f, g))
    assert set(split.labelled(small)) <= set(split.labelled(large))


@given(splits(), fraction, fraction, fraction, st.sampled_from(["all", "rest"]))
def test_larger_unlabelled_fraction_begins_with_the_smaller(split, f, g, labelled, pool):
    if pool == "rest" and len(split.pool("rest", labelled)) < 2:
        return
    small, large = (split.unlabelled(x, pool, labelled) for x in sorted((f, g)))
    np.testing.assert_array_equal(large[: len(small)], small)


@given(splits())
def test_fraction_one_is_every_image_that_is_not_validation(split):
    everything = set(split.table["index"])
    assert set(split.unlabelled(1)) == everything - set(split.valid)
    assert set(split.labelled(1)) == {i for i in everything - set(split.valid) if labels_of(split, i) >= 0}


@given(splits(), fraction)
def test_a_fraction_is_that_many_images(split, f):
    n_labelled, n_pool = len(split.labelled(1)), len(split.pool())
    assert len(split.labelled(f)) == int(f * n_labelled + 0.5 + 1e-9) + split.n_rounded_up(f)
    assert len(split.unlabelled(f)) == (max(2, int(f * n_pool + 0.5 + 1e-9)) if f else 0)


def test_the_smallest_unlabelled_fraction_is_two_images_and_zero_is_none(digits):
    split = make_split(digits, 0)
    assert len(split.unlabelled(0)) == 0
    assert len(split.unlabelled(1e-9)) == 2


# ── stratified ──────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), seeds)
def test_every_front_of_an_order_holds_each_class_in_proportion(counts, seed):
    """A class's images in a front of m differ from its share of m by at most ½ + (classes · share)/2."""
    y = np.repeat(np.arange(len(counts)), counts)
    order = stratified_order(y, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(y)))
    shares = np.array(counts) / len(y)
    found = np.cumsum(np.eye(len(counts))[y[order]], axis=0)
    wanted = np.arange(1, len(y) + 1)[:, None] * shares
    assert (abs(found - wanted) <= 0.5 + len(counts) * shares / 2 + 1e-9).all()


@given(st.integers(2, 10), st.integers(2, 30), seeds, fraction)
def test_balanced_classes_differ_by_one_image_at_most(n_classes, n_a_class, seed, f):
    split = make_split(images_with(np.tile(np.arange(n_classes), n_a_class), n_classes), seed)
    for rows in (split.labelled(f), split.unlabelled(f)):
        found = np.bincount(labels_of(split, rows), minlength=n_classes)
        assert found.max() - found.min() <= 1


@given(splits(), some_fraction)
def test_labelled_subsets_hold_each_class_in_proportion(split, f):
    counts = np.bincount(labels_of(split, split.labelled(1)))
    shares = counts / counts.sum()
    front = split.labelled(f)
    found = np.bincount(labels_of(split, front), minlength=len(counts))
    n = len(front) - split.n_rounded_up(f)
    # an image that a class was given because it had none is one more than the order alone holds
    assert (abs(found - n * shares) <= 1.5 + len(counts) * shares / 2).all()


@given(image_sets(), seeds, st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9]))
def test_validation_takes_its_share_of_every_class_but_neither_none_nor_all(data, seed, share):
    split = make_split(data, seed, share)
    for label in range(len(data.classes)):
        n = int((data.train.y == label).sum())
        found = int((labels_of(split, split.valid) == label).sum())
        assert 1 <= found <= n - 1
        assert abs(found - share * n) <= 1


@given(splits(), fraction)
def test_every_class_has_a_labelled_image_at_any_fraction(split, f):
    assert set(labels_of(split, split.labelled(f))) == set(range(len(split.classes)))


@given(splits(), fraction)
def test_rounded_up_counts_the_classes_that_the_order_alone_would_have_missed(split, f):
    table = split.table[split.table.labelled_rank >= 0].sort_values("labelled_rank")
    front = table["class"][: int(f * len(table) + 0.5 + 1e-9)]
    assert split.n_rounded_up(f) == len(split.classes) - front.nunique()


def test_nothing_is_rounded_up_where_the_fraction_is_enough_for_every_class(digits):
    split = make_split(digits, 0)
    assert split.n_rounded_up(0.1) == 0
    assert split.n_rounded_up(0) == 10
    assert split.n_rounded_up(2 / 1000) == 10 - round(split.n_labelled * 2 / 1000)


# ── disjoint ────────────────────────────────────────────────────────────────────────────────────


@given(splits(), fraction, fraction, st.sampled_from(["all", "rest"]))
def test_neither_labelled_nor_unlabelled_images_are_validation_images(split, u, labelled, pool):
    if pool == "rest" and len(split.pool("rest", labelled)) < 2:
        return
    valid = set(split.valid)
    assert valid
    assert valid.isdisjoint(split.labelled(labelled))
    assert valid.isdisjoint(split.unlabelled(u, pool, labelled))


@given(splits(), fraction)
def test_images_without_a_label_are_never_labelled_nor_validation(split, f):
    assert (labels_of(split, split.labelled(f)) >= 0).all()
    assert (labels_of(split, split.valid) >= 0).all()


@given(splits(), fraction)
def test_pool_rest_and_the_labelled_images_share_nothing_and_make_up_the_pool(split, labelled):
    rest, chosen = set(split.pool("rest", labelled)), set(split.labelled(labelled))
    assert rest.isdisjoint(chosen)
    assert rest | chosen == set(split.pool("all"))


def test_pool_rest_without_images_left_is_an_error_that_says_what_to_do(digits):
    with pytest.raises(ConfigError, match=r"rest leaves 0 .*at labelled 1.*smaller labelled fraction or pool: all"):
        make_split(digits, 0).unlabelled(0.5, "rest", 1)


def test_unknown_pool_is_an_error_that_names_the_known_ones(digits):
    with pytest.raises(ConfigError, match=r"pool: found 'most', expected one of all, rest"):
        make_split(digits, 0).pool("most")


def test_unlabelled_images_of_a_folder_are_in_the_pool_at_any_labelled_fraction(image_folder, tmp_path):
    data = load_dataset("folder", folder=image_folder(unlabelled=5), data_root=tmp_path / "root")
    split = make_split(data, 0)
    unlabelled = np.flatnonzero(data.train.y.numpy() < 0)
    assert len(unlabelled) == 5
    assert set(unlabelled) <= set(split.pool("rest", 1))
    assert set(split.pool("rest", 1)) == set(unlabelled)


# ── reproducible ────────────────────────────────────────────────────────────────────────────────


@given(image_sets(), seeds)
def test_the_same_seed_gives_the_same_split(data, seed):
    assert same(make_split(data, seed), make_split(data, seed))


def test_different_seeds_differ_in_validation_images_and_in_both_orders(digits):
    one, other = make_split(digits, 0), make_split(digits, 1)
    assert set(one.valid) != set(other.valid)
    assert one.labelled(1).tolist() != other.labelled(1).tolist()
    assert one.unlabelled(1).tolist() != other.unlabelled(1).tolist()


def test_the_two_orders_of_a_split_are_independent(digits):
    split = make_split(digits, 0)
    labelled, unlabelled = split.labelled(0.1), split.unlabelled(0.1)
    overlap = len(set(labelled) & set(unlabelled)) / len(labelled)
    assert overlap < 0.3, "independent orders share about a tenth"


def test_a_part_that_is_split_off_depends_on_its_seed():
    y = np.tile(np.arange(10), 20)
    np.testing.assert_array_equal(split_off(y, 0.2, 0), split_off(y, 0.2, 0))
    assert split_off(y, 0.2, 0).tolist() != split_off(y, 0.2, 1).tolist()


def test_statistics_are_those_of_the_images_that_are_not_validation(digits):
    split = make_split(digits, 0)
    x = digits.train.x[split.unlabelled(1).tolist()].double() / 255
    assert split.mean == pytest.approx((float(x.mean()),), abs=1e-9)
    assert split.std == pytest.approx((float(x.std(correction=0)),), abs=1e-9)


def test_a_channel_without_contrast_has_no_standard_deviation_of_zero():
    data = images_with(np.repeat([0, 1], 5), 2)
    data.train.x[:] = 7
    assert make_split(data, 0).std[0] > 0


# ── too few images ──────────────────────────────────────────────────────────────────────────────


def test_a_class_with_a_single_image_is_an_error_that_names_it():
    data = images_with(np.array([0, 0, 0, 1, 2, 2]), 3, name="pets")
    with pytest.raises(DataError, match=r"class class 1 of pets has 1 training images, expected at least 2"):
        make_split(data, 0)


def test_a_class_whose_only_images_lack_labels_is_an_error_that_names_it():
    with pytest.raises(DataError, match=r"class 1 .*has 0 training images"):
        make_split(images_with(np.array([0, 0, 0, -1, -1]), 2), 0)


# ── on disk ─────────────────────────────────────────────────────────────────────────────────────


@given(image_sets(), seeds)
def test_a_split_read_from_disk_is_the_one_that_was_written(tmp_path, data, seed):
    written, path = make_split(data, seed), tmp_path / "split.parquet"
    write_split(written, path)
    found = read_split(path, data)
    assert same(found, written)
    for name in ("dataset", "fingerprint", "seed", "classes", "mean", "std"):
        assert getattr(found, name) == getattr(written, name), name
    assert not list(tmp_path.glob(".*")), "no temporary file stays"


@pytest.fixture
def stored(digits, tmp_path) -> Path:
    path = tmp_path / "splits" / "digits-s0.parquet"
    write_split(make_split(digits, 0), path)
    return path


def test_a_manifest_has_one_row_a_training_image_and_no_test_image(stored, digits):
    table = pq.read_table(stored).to_pandas()
    assert list(table.columns) == ["index", "class", "role", "labelled_rank", "unlabelled_rank"]
    assert table["index"].tolist() == list(range(len(digits.train)))
    assert set(table.role) == {"train", "valid"}


def test_a_split_of_other_images_is_refused(stored, tmp_path):
    others = load_dataset("digits", test_fraction=0.3, data_root=tmp_path)
    with pytest.raises(RecordError, match=r"digits-s0\.parquet: made for other images.*delete"):
        read_split(stored, others)


@pytest.mark.parametrize(
    "expected, said",
    [({"seed": 1}, "seed is 0, expected 1"), ({"valid_fraction": 0.2}, "valid_fraction is 0.1, expected 0.2")],
)
def test_a_split_of_another_seed_or_validation_share_is_refused(stored, digits, expected, said):
    assert read_split(stored, digits, seed=0, valid_fraction=0.1).seed == 0
    with pytest.raises(RecordError, match=rf"digits-s0\.parquet: {said}; delete it and run again"):
        read_split(stored, digits, **expected)


def test_a_split_of_a_folder_is_refused_after_an_image_was_added(image_folder, digit_images, tmp_path):
    from PIL import Image

    folder = image_folder()
    write_split(make_split(load_dataset("folder", folder=folder), 0), tmp_path / "split.parquet")
    Image.fromarray(digit_images("one")[-1]).save(folder / "train" / "one" / "new.png")
    with pytest.raises(RecordError, match="made for other images"):
        read_split(tmp_path / "split.parquet", load_dataset("folder", folder=folder))


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "truncated", "another table"])
def test_a_damaged_split_is_an_error_that_names_the_file(stored, damage):
    if damage == "missing":
        stored.unlink()
    elif damage == "truncated":
        stored.write_bytes(stored.read_bytes()[:-100])
    elif damage == "another table":
        pq.write_table(pa.table({"index": [1, 2]}), stored)
    else:
        stored.write_bytes(b"" if damage == "empty" else b"not a table")
    with pytest.raises(RecordError, match=r"digits-s0\.parquet: not a readable split.*run again"):
        read_split(stored)
