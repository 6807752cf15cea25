"""What fastai's tools ask of DataLoaders, and people of `test_dl` and `predict`, over loaders of `image_dls`."""

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.interpret import ClassificationInterpretation, Interpretation
from hostile import is_one_line
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from quiet import quiet

from sslfast import autoencoder_learner, image_dls, supervised_learner
from sslfast.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def dls(digits):
    return image_dls(digits, unlabelled=0.2, labelled=0.2, seed=0, bs=32, device="cpu", num_workers=2)


@pytest.fixture(scope="module")
def learn(dls):
    learn = supervised_learner(dls.classify, "original", seed=0)
    quiet(learn)
    learn.fit(5, 3e-3)
    return learn


@pytest.fixture
def files(digits, tmp_path):
    """Three test images in folders named after their classes."""
    paths = []
    for i in range(3):
        folder = tmp_path / "images" / digits.classes[int(digits.test.y[i])]
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(folder / f"{i}.png")
        Image.fromarray(digits.test.x[i, 0].numpy()).save(paths[-1])
    return paths


def plain(x) -> torch.Tensor:
    return x.as_subclass(torch.Tensor)


def test_items_go_back_into_a_loader_with_their_labels_or_as_targets(dls):
    for loaders in (dls.classify, dls.pretrain):
        x, y = loaders.valid.one_batch()
        again, labels = loaders.test_dl(loaders.valid.items, with_labels=True).one_batch()
        assert torch.equal(plain(again), plain(x))
        assert torch.equal(plain(labels), plain(y))
    assert len(dls.classify.test_dl(dls.classify.valid.items).one_batch()) == 1
    assert dls.classify.items[0].label == dls.data.classes[int(dls.classify.train_ds[0][1])]


def test_splits_are_the_rows_of_training_and_validation(dls):
    train, valid = dls.classify.splits
    assert list(train) == dls.split.labelled(0.2).tolist()
    assert list(valid) == dls.split.valid.tolist()


def test_positions_are_those_of_a_list(dls):
    rows = dls.classify.valid_ds
    every = [rows[i] for i in range(len(rows))]

    @given(st.one_of(st.integers(-len(rows), len(rows) - 1), st.slices(len(rows))))
    def one(i):
        found, expected = rows[i], every[i]
        found, expected = ([found], [expected]) if isinstance(i, int) else (found, expected)
        assert len(found) == len(expected)
        for (x, y), (x2, y2) in zip(found, expected, strict=True):
            assert torch.equal(plain(x), plain(x2))
            assert int(y) == int(y2)

    one()
    assert [int(y) for _, y in rows[[3, 1]]] == [int(every[3][1]), int(every[1][1])]
    with pytest.raises(IndexError):
        rows[len(rows)]


def test_test_time_augmentation_mixes_predictions_of_images_with_noise_into_those_without(dls, learn):
    scores, true = learn.get_preds()
    averaged, labels = learn.tta(n=3)
    assert torch.equal(labels, true)
    assert averaged.shape == scores.shape
    assert not torch.equal(averaged, scores)
    (noisy, clean), _ = learn.tta(n=3, beta=None)
    assert torch.equal(clean, scores)
    assert not torch.equal(noisy, scores)
    assert dls.classify.valid_ds.split_idx == 1
    assert torch.equal(learn.get_preds()[0], scores), "images are as they were"


def test_interpretation_draws_the_images_of_highest_loss(dls, learn):
    import matplotlib.pyplot as plt

    found = ClassificationInterpretation.from_learner(learn)
    losses, rows, items = found.top_losses(4, items=True)
    found.plot_top_losses(4, nrows=2)
    drawn = [axes for axes in plt.gcf().axes if axes.images]
    for axes, loss, row, item in zip(drawn, losses, rows, items, strict=True):
        pixels = np.asarray(axes.images[0].get_array()).squeeze().astype(int)
        np.testing.assert_allclose(pixels, dls.classify.valid_ds[int(row)][0][0].numpy(), atol=1)
        assert axes.get_title().split("/")[1].strip() == item.label
        assert f"{float(loss):.2f}" in axes.get_title()
    plt.close("all")
    found.show_results(rows[:2])
    titles = [axes.get_title().split("\n") for axes in plt.gcf().axes if axes.images]
    assert [title[0] for title in titles] == [item.label for item in items[:2]]


def test_interpretation_draws_reconstructions_beside_images(dls):
    import matplotlib.pyplot as plt

    learn = autoencoder_learner(dls.pretrain, "original", seed=0)
    with learn.no_bar():
        found = Interpretation.from_learner(learn)
        found.plot_top_losses(2)
        drawn = [axes for axes in plt.gcf().axes if axes.images]
        assert len(drawn) == 4
        assert drawn[0].get_title() == f"loss {float(found.top_losses(1)[0]):.3f}"
        plt.close("all")
        found.show_results([0])
    assert [axes.get_title() for axes in plt.gcf().axes if axes.images] == ["input", "reconstruction"]


def test_a_grid_has_the_rows_and_columns_that_are_asked_for(dls):
    for loaders, columns in ((dls.classify, 3), (dls.pretrain, 6)):  # pairs of input and target
        axes = loaders.show_batch(nrows=2, max_n=6)
        assert axes[0].get_gridspec().get_geometry() == (2, columns)
        axes = loaders.show_batch(ncols=6, max_n=6)
        assert axes[0].get_gridspec().get_geometry() == (1, 2 * columns)


def test_show_batch_can_show_one_image_augmented_anew_each_time(digits):
    dls = image_dls(digits, seed=0, bs=32, device="cpu", augment={"noise": 0.3})
    axes = dls.classify.show_batch(unique=True, max_n=4)
    drawn = [np.asarray(axis.images[0].get_array()).astype(int) for axis in axes if axis.images]
    assert len({axis.get_title() for axis in axes if axis.images}) == 1
    assert all((drawn[0] != other).any() for other in drawn[1:])


def test_a_summary_says_how_many_images_which_classes_and_what_a_batch_is(dls, capsys):
    dls.classify.summary()
    said = capsys.readouterr().out
    assert f"train: {len(dls.classify.train_ds)} images [1 × 8 × 8]" in said
    assert "classes: 0, 1, 2" in said
    assert "GaussianNoise -- {'std': 0.1} (training)" in said
    assert "a batch: TensorImage float32 [32, 1, 8, 8]" in said


FORMS = {
    "path": lambda path, x: path,
    "text": lambda path, x: str(path),
    "bytes": lambda path, x: path.read_bytes(),
    "PIL image": lambda path, x: Image.open(path),
    "array [H, W]": lambda path, x: x[0].numpy(),
    "array [H, W, 1]": lambda path, x: x.permute(1, 2, 0).numpy(),
    "array [H, W, 3]": lambda path, x: np.stack([x[0].numpy()] * 3, -1),
    "array of floats": lambda path, x: x[0].numpy() / 255,
    "array of int64": lambda path, x: x[0].numpy().astype(np.int64),
    "tensor [C, H, W]": lambda path, x: x,
    "tensor [H, W]": lambda path, x: x[0],
    "tensor of floats": lambda path, x: x.float() / 255,
    "colour tensor": lambda path, x: x.expand(3, -1, -1),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_image_gives_the_same_prediction_in_every_form(dls, learn, files, form):
    expected = learn.get_preds(dl=dls.test)[0]
    for i, path in enumerate(files):
        name, index, scores = learn.predict(FORMS[form](path, dls.data.test.x[i]))
        torch.testing.assert_close(scores, expected[i])
        assert name == dls.data.classes[int(index)]
    items = dls.classify.test_dl(dls.data.test.x[:3]).dataset.items
    torch.testing.assert_close(learn.predict(items[2])[2], expected[2])


def test_tensors_and_arrays_of_any_size_are_brought_to_that_of_training(dls):
    grey = torch.full((1, 40, 24), 0.5)
    for items in ([grey], [grey, torch.rand(3, 20, 30)], [grey[0].numpy()], grey):
        batch = dls.classify.test_dl(items)
        assert batch.one_batch()[0].shape[1:] == (1, 8, 8)
        x = batch.dataset.images.x[0]
        assert torch.equal(x, torch.full_like(x, 128))


def test_a_folder_and_a_table_stand_for_their_images_and_classes(dls, files):
    wanted = [path.parent.name for path in files]
    root = files[0].parents[1]
    table = pd.DataFrame({"file": files, "class": [int(name) for name in wanted]})
    by_path = sorted(files)
    for items, expected in (
        (files, wanted),
        (root, [path.parent.name for path in by_path]),
        (str(root), [path.parent.name for path in by_path]),
        (table, wanted),
    ):
        labels = dls.classify.test_dl(items, with_labels=True).one_batch()[1]
        assert [dls.classify.vocab[i] for i in labels] == expected
        assert len(dls.classify.test_dl(items).one_batch()) == 1
    assert len(dls.classify.test_dl(table["file"]).dataset) == 3
    assert len(dls.classify.test_dl(path for path in files).dataset) == 3


def test_a_row_of_a_table_is_its_image(dls, learn, files):
    row = pd.DataFrame({"file": files, "class": ["0", "1", "2"]}).iloc[1]
    torch.testing.assert_close(learn.predict(row)[2], learn.predict(files[1])[2])


def test_rows_of_another_kind_are_refused_as_a_data_set(dls):
    with pytest.raises(ConfigError, match=r"dataset: found Subset, expected rows of images"):
        dls.classify.train.new(torch.utils.data.Subset(dls.classify.train_ds, [0, 1]))


def test_labelled_images_that_are_new_are_scored_as_the_test_images_are(dls, learn):
    table = pd.DataFrame({"image": list(dls.data.test.x), "class": [str(int(y)) for y in dls.data.test.y]})
    found = learn.validate(dl=dls.classify.test_dl(table, with_labels=True))
    assert list(found) == pytest.approx(list(learn.validate(dl=dls.test)))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (lambda files: [], "items: found no images"),
        (lambda files: pd.DataFrame(), "items: found no images"),
        (lambda files: files[0].parent / "nothing.png", "cannot read the image .*nothing.png"),
        (
            lambda files: [torch.full((1, 8, 8), -1.0)],
            "image number 0: found values from -1 to -1, expected floats from 0",
        ),
        (lambda files: [files], "image number 0: found .*, expected a path, bytes, an image, array or tensor"),
        (lambda files: [None], "image number 0: found None, expected a path"),
        (lambda files: [np.zeros((2, 3, 4, 5))], r"image number 0: found an array of shape \(2, 3, 4, 5\)"),
    ],
)
def test_what_is_no_image_is_told_in_one_line(dls, files, items, message):
    with pytest.raises(DataError, match=message) as caught:
        dls.classify.test_dl(items(files))
    assert is_one_line(caught.value)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (lambda files: [files[0].rename(files[0].parents[1] / "0.png")], "the class 'images' of image 0"),
        (lambda files: pd.DataFrame({"image": files, "class": ["3", "cat", "1"]}), "the class 'cat' of image 1"),
        (lambda files: [Image.open(files[0])], "image number 0 has no class"),
    ],
)
def test_labels_that_are_asked_for_have_to_be_there(dls, files, items, message):
    with pytest.raises(DataError, match=message) as caught:
        dls.classify.test_dl(items(files), with_labels=True)
    assert is_one_line(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"valid_pct": 0.2}, "valid_pct: no option of image_dls; here it is valid_fraction"),
        ({"batch_tfms": []}, "batch_tfms: no option of image_dls; here it is augment"),
        ({"image_sise": 64}, "image_sise: no option of image_dls; here it is image_size"),
        ({"bs": 0}, "bs: found 0, expected a number of images a batch, 1 or more"),
    ],
)
def test_options_that_do_not_exist_are_not_passed_over(digits, options, message):
    with pytest.raises(ConfigError, match=message):
        image_dls(digits, **options)


def test_what_belongs_to_one_part_of_the_loaders_says_so(dls):
    with pytest.raises(AttributeError, match=r"no 'show_batch'; .pretrain and .classify are DataLoaders"):
        dls.show_batch()
