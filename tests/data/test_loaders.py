"""Batches: what is in them, in which order, and that fastai finds what it expects."""

import pickle

import numpy as np
import pytest
import torch
from fastai.data.transforms import get_c
from fastai.learner import Learner
from fastai.torch_core import TensorCategory, TensorImage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from sslfast import Augment, image_dls, make_split
from sslfast.data.augment import TensorTarget
from sslfast.data.images import Arrays, ImageData, ImageSet, from_arrays
from sslfast.data.loaders import ImageLoaders, ImageRows, classify_dls, eval_batch, pretrain_dls
from sslfast.data.splits import Split
from sslfast.errors import ConfigError

NOTHING = Augment()
STRONG = Augment(flip_horizontal=0.5, flip_vertical=0.5, noise=0.3)


def plain(x) -> torch.Tensor:
    return x.as_subclass(torch.Tensor)


def loaders(data: ImageData, **changes) -> ImageLoaders:
    return image_dls(data, **{"unlabelled": 0.5, "labelled": 0.2, "seed": 0, "bs": 32, "device": "cpu", **changes})


def all_of(dl, part: int = 0) -> torch.Tensor:
    """One pass over a loader: the inputs (part 0), or labels or targets (part 1)."""
    return torch.cat([plain(batch[part]) for batch in dl])


def raw(data: ImageData, rows: np.ndarray) -> torch.Tensor:
    return data.train.x[torch.from_numpy(np.array(rows))]


def unnormalised(x: torch.Tensor, split) -> torch.Tensor:
    """Normalised images back to uint8."""
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (split.mean, split.std))
    return (x * std + mean).mul(255).round().to(torch.uint8)


def sorted_images(x: torch.Tensor) -> list[bytes]:
    return sorted(image.contiguous().numpy().tobytes() for image in x)


@pytest.fixture(scope="session")
def coloured(digits) -> ImageData:
    """The digits in three channels of different brightness."""

    def colour(images) -> np.ndarray:
        grey = images.x.permute(0, 2, 3, 1).numpy()
        return np.concatenate([grey, 255 - grey // 2, grey // 4], axis=-1)

    sets = colour(digits.train), digits.train.y.numpy(), colour(digits.test), digits.test.y.numpy()
    return from_arrays("coloured digits", Arrays(*sets, digits.classes), "coloured")


@pytest.fixture(params=["grey", "coloured"])
def data(request, digits, coloured) -> ImageData:
    return digits if request.param == "grey" else coloured


# ── what a batch is ─────────────────────────────────────────────────────────────────────────────


def test_a_batch_to_classify_is_float_images_and_their_classes(data):
    for dl in (loaders(data).classify.train, loaders(data).classify.valid, loaders(data).test):
        x, y = dl.one_batch()
        assert isinstance(x, TensorImage)
        assert x.dtype == torch.float32
        assert x.shape == (len(y), data.train.channels, 8, 8)
        assert isinstance(y, TensorCategory)
        assert y.dtype == torch.int64
        assert set(y.tolist()) <= set(range(10))


def test_a_batch_to_pretrain_is_float_images_and_clean_targets_in_0_to_1(data):
    for dl in loaders(data).pretrain:
        x, target = dl.one_batch()
        assert isinstance(x, TensorImage)
        assert isinstance(target, TensorTarget)
        assert x.dtype == target.dtype == torch.float32
        assert x.shape == target.shape == (len(x), data.train.channels, 8, 8)
        assert 0 <= float(target.min()) < float(target.max()) <= 1


def test_training_batches_have_the_size_asked_for(digits):
    assert [len(x) for x, _ in loaders(digits, bs=50).classify.train][:-1] == [50] * 5


@pytest.mark.parametrize("augment", [NOTHING, STRONG], ids=["plain", "augmented"])
def test_batches_are_channels_last(coloured, augment):
    dls = loaders(coloured, augment=augment)
    for dl in (*dls.pretrain, *dls.classify, dls.test):
        assert dl.one_batch()[0].is_contiguous(memory_format=torch.channels_last)


def test_images_are_normalised_by_the_statistics_of_the_training_images(data):
    x = all_of(loaders(data, unlabelled=1, augment=NOTHING).pretrain.train)
    each_channel = x.transpose(0, 1).flatten(1)
    # the loader may drop one image
    torch.testing.assert_close(each_channel.mean(1), torch.zeros(data.train.channels), atol=2e-3, rtol=0)
    torch.testing.assert_close(each_channel.std(1), torch.ones(data.train.channels), atol=2e-3, rtol=0)


def test_labels_belong_to_their_images(data):
    dls = loaders(data, augment=NOTHING)
    known = {image.numpy().tobytes(): int(y) for image, y in zip(data.train.x, data.train.y, strict=True)}
    for dl in dls.classify:
        for x, y in dl:
            for image, label in zip(unnormalised(plain(x), dls.split), y.tolist(), strict=True):
                assert known[image.contiguous().numpy().tobytes()] == label


def test_training_images_are_the_labelled_and_the_unlabelled_ones(data):
    dls = loaders(data, bs=7, augment=NOTHING)
    for train, rows in ((dls.classify.train, dls.split.labelled(0.2)), (dls.pretrain.train, dls.split.unlabelled(0.5))):
        images = unnormalised(all_of(train), dls.split)
        n_dropped = int(len(rows) % 7 == 1)
        assert len(images) == len(rows) - n_dropped
        if not n_dropped:
            assert sorted_images(images) == sorted_images(raw(data, rows))


def test_pretraining_batches_hold_no_label(digits):
    for dl in loaders(digits).pretrain:
        assert all(part.is_floating_point() for part in dl.one_batch())


# ── what fastai asks for ────────────────────────────────────────────────────────────────────────


def test_fastai_finds_classes_vocabulary_and_loss(digits):
    classify = loaders(digits).classify
    assert classify.c == get_c(classify) == 10
    assert list(classify.vocab) == [str(n) for n in range(10)]
    assert type(classify.loss_func).__name__ == "CrossEntropyLossFlat"


def test_classes_keep_their_order_even_if_it_is_not_that_of_the_alphabet(digits):
    names = tuple("jihgfedcba")
    arrays = Arrays(
        *(part.numpy() for s in (digits.train, digits.test) for part in (s.x.permute(0, 2, 3, 1), s.y)), names
    )
    classify = loaders(from_arrays("letters", arrays, "0")).classify
    assert tuple(classify.vocab) == names
    assert classify.train_ds.decode((None, torch.tensor(2)))[1] == "h"


def test_one_batch_is_the_first_of_the_next_pass_and_does_not_use_it_up(digits):
    dl = loaders(digits, augment=STRONG).pretrain.train
    one, again = dl.one_batch(), dl.one_batch()
    first = next(iter(dl))
    for part in range(2):
        assert torch.equal(plain(one[part]), plain(again[part]))
        assert torch.equal(plain(one[part]), plain(first[part]))


def test_one_batch_of_no_images_is_an_error(digits):
    with pytest.raises(ValueError, match="no images"):
        loaders(digits).classify.new_empty().train.one_batch()


def drawn(axes) -> list[np.ndarray]:
    return [np.asarray(axis.images[0].get_array()) for axis in axes if axis.images]


def test_show_batch_draws_the_images_of_the_batch_under_their_classes(data):
    dls = loaders(data)
    batch = dls.classify.valid.one_batch()
    axes = dls.classify.valid.show_batch(batch, max_n=6)
    expected = raw(data, dls.split.valid[:6]).permute(0, 2, 3, 1).squeeze(-1).numpy()
    np.testing.assert_allclose(np.stack(drawn(axes)).astype(int), expected, atol=1)  # fastai's decoding rounds down
    assert [axis.get_title() for axis in axes if axis.images] == [str(int(y)) for y in batch[1][:6]]


def test_show_batch_of_pretraining_draws_input_and_target_side_by_side(digits):
    dls = loaders(digits)
    axes = dls.pretrain.valid.show_batch(max_n=2)
    assert [axis.get_title() for axis in axes if axis.images] == ["input", "target"] * 2
    first, second = drawn(axes)[:2]
    np.testing.assert_allclose(first.astype(int), second.astype(int), atol=1)  # fastai's decoding rounds down
    np.testing.assert_array_equal(second, raw(digits, dls.split.valid[:1])[0, 0].numpy())


def test_show_results_draws_wrong_classes_in_red(digits):
    valid = loaders(digits).classify.valid
    x, y = valid.one_batch()
    predicted = y.clone()
    predicted[1] = (y[1] + 1) % 10
    axes = valid.show_results((x, y), predicted, max_n=2)
    assert axes[0].get_title() == f"{int(y[0])}\n{int(y[0])}"
    assert axes[1].get_title() == f"{int(y[1])}\n{int(predicted[1])}"
    assert [axis.title.get_color() for axis in axes[:2]] == ["black", "firebrick"]


def test_loaders_move_to_a_device_and_their_batches_with_them(digits):
    dls = loaders(digits, augment=NOTHING)
    assert dls.to("meta") is dls
    for dl in (*dls.pretrain, *dls.classify, dls.test):
        assert {part.device.type for part in dl.one_batch()} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_augmentation_follows_the_loaders_to_a_gpu(digits):
    dls = loaders(digits, augment=STRONG).to("cuda")
    x, target = dls.pretrain.train.one_batch()
    assert x.device.type == target.device.type == "cuda"
    assert torch.equal(plain(x), plain(dls.pretrain.train.one_batch()[0]))


# ── the same again ──────────────────────────────────────────────────────────────────────────────


def epochs(dls, n: int = 2) -> list[torch.Tensor]:
    return [torch.cat([all_of_both(batch) for batch in dls.train]) for _ in range(n)]


def all_of_both(batch) -> torch.Tensor:
    return torch.cat([plain(part).flatten().double() for part in batch])


@pytest.mark.parametrize("part", ["pretrain", "classify"])
def test_the_same_seed_gives_identical_batches_epoch_by_epoch(digits, part):
    one, other = (epochs(getattr(loaders(digits, augment=STRONG), part), 3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_same_seed_gives_identical_batches_whatever_else_draws_random_numbers(digits):
    one = epochs(loaders(digits, augment=STRONG).pretrain)
    dls = loaders(digits, augment=STRONG)
    torch.manual_seed(1)
    np.random.default_rng().random()
    dls.pretrain.train.one_batch()
    dls.pretrain.show_batch()
    list(dls.pretrain.valid)
    assert all(torch.equal(a, b) for a, b in zip(one, epochs(dls.pretrain), strict=True))


def test_another_seed_gives_another_order_of_the_same_rows(digits, split):
    rows = split.unlabelled(0.1)
    orders = []
    for seed in (0, 1):
        shuffled = type(split)(**{**vars(split), "seed": seed})
        dls = pretrain_dls(digits, shuffled, rows, bs=16, augment=NOTHING, device="cpu")
        orders.append(all_of(dls.train, 1))
    assert not torch.equal(*orders)
    assert sorted_images(orders[0]) == sorted_images(orders[1])


def test_epochs_differ_in_order_and_augmentation(digits):
    train = loaders(digits, augment=NOTHING).pretrain.train
    first, second = all_of(train), all_of(train)
    assert not torch.equal(first, second)
    noisy = loaders(digits, augment=Augment(noise=0.3)).pretrain.train
    noise = []
    for _ in range(2):
        x, target = noisy.one_batch()
        list(noisy)
        noise.append(float((plain(x) - plain(target)).sum()))
    assert noise[0] != noise[1]


def test_an_epoch_can_be_repeated_by_its_number(digits):
    train = loaders(digits, augment=STRONG).pretrain.train
    passes = [all_of(train) for _ in range(3)]
    train.epoch = 1
    assert torch.equal(all_of(train), passes[1])


def test_validation_targets_are_the_validation_images(digits):
    dls = loaders(digits, augment=STRONG)
    expected = raw(digits, dls.split.valid).float() / 255
    assert torch.equal(all_of(dls.pretrain.valid, 1), expected)


# ── how many batches ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def split(digits) -> Split:
    return make_split(digits, 0)


def train_dls(data: ImageData, split: Split, n_rows: int, **kwargs):
    return pretrain_dls(data, split, split.unlabelled(1)[:n_rows], augment=NOTHING, device="cpu", **kwargs)


@given(n=st.integers(2, 80), bs=st.integers(1, 40))
def test_an_epoch_holds_every_image_once_but_never_a_lone_last_one(digits, split, n, bs):
    train = train_dls(digits, split, n, bs=bs).train
    sizes = [len(x) for x, _ in train]
    assert len(train) == len(sizes)
    lone = bs > 1 and n > bs and n % bs == 1
    assert sum(sizes) == n - lone
    assert bs == 1 or min(sizes) > 1
    assert all(size == bs for size in sizes[:-1])


def test_another_image_is_left_out_of_each_epoch(digits, split):
    train = train_dls(digits, split, 33, bs=32).train
    everything, left_out = None, []
    for _ in range(6):
        seen = set(sorted_images(all_of(train, 1)))
        everything = seen if everything is None else everything | seen
        left_out.append(seen)
    assert len(everything) == 33
    assert len({frozenset(seen) for seen in left_out}) > 1


def test_a_lone_last_image_is_kept_for_validation(digits, split):
    alone = type(split)(**{**vars(split), "table": split.table[split.table["index"] <= split.valid[0]]})
    assert len(alone.valid) == 1
    valid = classify_dls(digits, alone, split.labelled(0.1), bs=32, augment=NOTHING, device="cpu").valid
    assert [len(x) for x, _ in valid] == [1]


@given(n=st.integers(2, 60), bs=st.integers(1, 40), n_batches=st.integers(1, 12))
def test_a_number_of_batches_is_kept_and_none_holds_an_image_twice(digits, split, n, bs, n_batches):
    train = train_dls(digits, split, n, bs=bs, n_batches=n_batches).train
    batches = [all_images for _, all_images in train]
    assert len(train) == len(batches) == n_batches
    size = min(bs, n)
    assert {len(batch) for batch in batches} == {size}
    rows = train.get_idxs().split(size)
    assert all(len(set(batch.tolist())) == size for batch in rows)
    whole = n // size  # as many batches as an order of the images fills
    for start in range(0, n_batches, whole):
        seen = torch.cat(rows[start : start + whole])
        assert len(seen.unique()) == len(seen)


def test_a_number_of_batches_holds_for_training_only(digits, split):
    dls = train_dls(digits, split, 40, bs=8, n_batches=50)
    assert len(dls.train) == 50
    assert len(all_of(dls.valid)) == len(split.valid)
    assert len(all_of(dls.train.new(shuffle=False))) == 40


# ── new images ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def classifier(digits) -> Learner:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    learn = Learner(loaders(digits).classify, model)
    learn.remove_cbs([cb for cb in learn.cbs if type(cb).__name__ == "ProgressCallback"])
    return learn


@pytest.fixture
def new_images(digits, tmp_path) -> dict:
    """The same three test images as paths, PIL images and a tensor."""
    pixels = digits.test.x[:3]
    pil = [Image.fromarray(image[0].numpy()) for image in pixels]
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for image, path in zip(pil, paths, strict=True):
        image.save(path)
    return {"paths": paths, "texts": [str(path) for path in paths], "PIL images": pil, "tensor": pixels}


@pytest.mark.parametrize("kind", ["paths", "texts", "PIL images", "tensor"])
def test_new_images_become_the_batch_that_test_images_do(digits, new_images, kind):
    dls = loaders(digits, augment=STRONG)
    batch = dls.classify.test_dl(new_images[kind]).one_batch()
    assert len(batch) == 1, "new images have no labels"
    assert torch.equal(plain(batch[0]), plain(dls.test.one_batch()[0][:3]))


def test_new_images_are_fitted_to_the_size_and_channels_of_training(coloured, tmp_path):
    Image.new("L", (40, 20), 100).save(tmp_path / "wide.png")
    dls = loaders(coloured)
    x = plain(dls.classify.test_dl([tmp_path / "wide.png"]).one_batch()[0])
    assert torch.equal(unnormalised(x, dls.split), torch.full((1, 3, 8, 8), 100, dtype=torch.uint8))


def test_new_images_keep_their_order_over_many_batches(digits):
    dl = loaders(digits).classify.test_dl(digits.test.x, bs=7)
    assert torch.equal(unnormalised(all_of(dl), loaders(digits).split), digits.test.x)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_pil_image_that_is_handed_in_stays_as_it_was(digits, tmp_path, suffix):
    Image.new("RGB", (256, 192), "teal").save(tmp_path / f"image{suffix}")
    with Image.open(tmp_path / f"image{suffix}") as image:
        loaders(digits).classify.test_dl([image]).one_batch()
        assert (image.mode, image.size) == ("RGB", (256, 192))
        assert image.getpixel((0, 0))[0] < 10


@pytest.mark.parametrize("kind", ["paths", "PIL images", "tensor"])
def test_predict_gives_the_name_of_the_likeliest_class(classifier, new_images, kind):
    for i, item in enumerate(new_images[kind]):
        name, index, probabilities = classifier.predict(item)
        assert probabilities.shape == (10,)
        assert float(probabilities.sum()) == pytest.approx(1, abs=1e-5)
        assert name == str(int(probabilities.argmax())) == classifier.dls.vocab[int(index)]
        x = classifier.dls.test_dl(new_images["tensor"][i : i + 1]).one_batch()[0]
        torch.testing.assert_close(probabilities, classifier.model(plain(x)).softmax(1)[0].detach())


def test_empty_loaders_carry_no_image_but_everything_else(digits):
    dls = loaders(digits)
    empty = dls.classify.new_empty()
    assert len(empty.train_ds) == len(empty.valid_ds) == 0
    assert list(empty.vocab) == list(dls.classify.vocab)
    assert empty.train_ds.image_shape == dls.classify.train_ds.image_shape
    assert empty.train_ds.images.x.untyped_storage().nbytes() == 0
    assert len(pickle.dumps(empty)) < digits.train.x.numel() / 2


def test_empty_loaders_that_went_through_a_pickle_prepare_new_images_alike(digits, new_images):
    classify = loaders(digits).classify
    revived = pickle.loads(pickle.dumps(classify.new_empty()))
    batch, expected = (dls.test_dl(new_images["paths"]).one_batch()[0] for dls in (revived, classify))
    assert torch.equal(plain(batch), plain(expected))


# ── image_dls ───────────────────────────────────────────────────────────────────────────────────


def test_data_may_be_a_name_or_an_image_set(digits):
    by_name, by_set = loaders("digits"), loaders(digits)
    assert by_name.data.fingerprint == by_set.data.fingerprint
    assert torch.equal(all_of(by_name.classify.train), all_of(by_set.classify.train))


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_data_may_be_the_path_of_a_folder(image_folder, kind):
    folder = image_folder(classes=("three", "five"), train=8)
    dls = loaders(kind(folder), labelled=1, image_size=16, channels=1)
    assert list(dls.classify.vocab) == ["five", "three"]
    assert dls.classify.one_batch()[0].shape[1:] == (1, 16, 16)


def test_a_name_that_is_neither_data_set_nor_folder_is_an_error_that_lists_the_names():
    with pytest.raises(ConfigError, match=r"found 'cifar', expected one of digits, mnist"):
        image_dls("cifar")


def test_without_unlabelled_images_there_is_nothing_to_pretrain_on(digits):
    assert loaders(digits, unlabelled=0).pretrain is None


def test_pool_rest_keeps_labelled_images_out_of_pretraining(digits):
    dls = loaders(digits, unlabelled=1, labelled=0.5, pool="rest", augment=NOTHING)
    labelled, unlabelled = (
        set(sorted_images(unnormalised(all_of(part.train), dls.split))) for part in (dls.classify, dls.pretrain)
    )
    assert labelled.isdisjoint(unlabelled)


@pytest.mark.parametrize(
    "changes",
    [{"unlabelled": 1.5}, {"labelled": -0.1}, {"labelled": "10%"}, {"valid_fraction": 1.5}, {"valid_fraction": -1}],
    ids=str,
)
def test_a_fraction_outside_0_to_1_is_an_error(digits, changes):
    with pytest.raises(ConfigError, match=r"from 0 to 1|more than 0 and less than 1"):
        loaders(digits, **changes)


def test_images_go_to_a_device_once_for_training_and_validation_together(digits):
    dls = image_dls(digits, seed=0, device="cpu")
    device = torch.device("meta")  # a device that holds shapes only
    train, valid = (rows.on(device) for rows in (dls.classify.train_ds, dls.classify.valid_ds))
    assert train.images is valid.images
    assert train.images.x.device == device
    assert train.images.x.stride() == digits.train.x.stride(), "still channels-last"
    assert train.batch(torch.arange(5))[0].shape == (5, 1, 8, 8)
    assert train.rows.device == device


def test_images_stay_where_they_are_if_a_device_has_no_room_for_them(digits, monkeypatch):
    monkeypatch.setattr("sslfast.data.images._free_memory", lambda device: digits.train.x.nbytes)
    fresh = ImageSet(digits.train.x, digits.train.y, digits.train.classes)
    assert fresh.on(torch.device("meta")) is fresh
    assert fresh.on(torch.device("cpu")) is fresh
    assert fresh.on(None) is fresh


def test_a_gpu_looks_at_many_small_images_at_once_and_at_few_large_ones():
    def at_once(size: int, device: str) -> int:
        images = ImageSet(
            torch.zeros(1, 3, size, size, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), ("a", "b")
        )
        return eval_batch(ImageRows(images, np.arange(1), split_idx=1), torch.device(device))

    assert at_once(32, "cpu") == at_once(224, "cuda") == 512
    assert at_once(32, "cuda") == 2730
