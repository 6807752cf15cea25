"""Learners over fastai's own loaders, made in each of the ways that fastai has for images."""

import pandas as pd
import pytest
import torch
from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock, RegressionBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import Normalize, get_image_files, parent_label
from fastai.vision.augment import RandomErasing, Resize, aug_transforms
from fastai.vision.data import ImageBlock, ImageDataLoaders
from quiet import quiet

from sslfast import autoencoder_learner, classifier_learner, knn, linear_probe, simclr_learner
from sslfast.errors import ConfigError, DataError

COMMON = {
    "valid_pct": 0.3, "seed": 0, "bs": 8, "num_workers": 0, "device": "cpu", "item_tfms": Resize(24),
    "batch_tfms": [*aug_transforms(size=16), Normalize.from_stats([0.3] * 3, [0.4] * 3, cuda=False)],
}  # fmt: skip


def table(root) -> pd.DataFrame:
    files = get_image_files(root)
    return pd.DataFrame({"name": [str(file.relative_to(root)) for file in files], "label": files.map(parent_label)})


def by_csv(root):
    table(root).to_csv(root / "labels.csv", index=False)
    return ImageDataLoaders.from_csv(root, **COMMON)


def columns(root, **changes) -> pd.DataFrame:
    """A table with other columns around those of image and class."""
    names = table(root)
    valid = [i % 4 == 0 for i in range(len(names))]
    return pd.DataFrame({"id": range(len(names)), "image": names.name, "kind": names.label, "held": valid, **changes})


def from_df(root, frame, **options):
    named = {"fn_col": "image", "label_col": "kind", "valid_col": "held", **options}
    return ImageDataLoaders.from_df(frame, path=root, **{**COMMON, **named})


def without_ending(root) -> pd.DataFrame:
    return columns(root, image=[name.removesuffix(".png") for name in table(root).name])


def by_tsv(root):
    columns(root).to_csv(root / "labels.tsv", index=False, sep="\t")
    return ImageDataLoaders.from_csv(root, "labels.tsv", delimiter="\t", fn_col=1, label_col=2, **COMMON)


WAYS = {
    "from_folder": lambda root: ImageDataLoaders.from_folder(root, **COMMON),
    "from_path_func": lambda root: ImageDataLoaders.from_path_func(root, get_image_files(root), parent_label, **COMMON),
    "from_name_func": lambda root: ImageDataLoaders.from_name_func(
        root, get_image_files(root), lambda name: name.split("-")[0], **COMMON
    ),
    "from_name_re": lambda root: ImageDataLoaders.from_name_re(root, get_image_files(root), r"^(\w+)-\d+", **COMMON),
    "from_df": lambda root: ImageDataLoaders.from_df(table(root), path=root, **COMMON),
    "from_csv": by_csv,
    "from_lists": lambda root: ImageDataLoaders.from_lists(
        root, get_image_files(root), list(get_image_files(root).map(parent_label)), **COMMON
    ),
    "from_path_re": lambda root: ImageDataLoaders.from_path_re(
        root, get_image_files(root), r"/([a-z]+)-\d+.png$", **COMMON
    ),
    "from_df by names of columns": lambda root: from_df(root, columns(root)),
    "from_df by folder and suff": lambda root: from_df(root.parent, without_ending(root), folder="train", suff=".png"),
    "from_csv with tabs": by_tsv,
    "from_folder unshuffled": lambda root: ImageDataLoaders.from_folder(root, **COMMON, val_bs=3, shuffle=False),
    "from_folder as they are": lambda root: ImageDataLoaders.from_folder(
        root, **{**COMMON, "item_tfms": Resize(16), "batch_tfms": None}
    ),
    "from_folder with erased parts": lambda root: ImageDataLoaders.from_folder(
        root, **{**COMMON, "item_tfms": Resize(16), "batch_tfms": RandomErasing(p=1.0)}
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_learners_train_and_predict_over_loaders_made(way, image_folder):
    root = image_folder(train=8, test=0, unlabelled=0) / "train"
    dls = WAYS[way](root)
    ssl = autoencoder_learner(dls, "original", seed=0)
    learn = classifier_learner(dls, ssl, seed=0)
    for each in (ssl, learn):
        quiet(each).fit(1, 1e-3)
    assert list(dls.vocab) == ["one", "two", "zero"]
    file = get_image_files(root)[0]
    name, index, scores = learn.predict(file)
    assert name == dls.vocab[int(index)]
    assert float(scores.sum()) == pytest.approx(1, abs=1e-5)
    rebuilt = ssl.predict(file)[0]
    assert torch.isfinite(rebuilt).all()
    assert rebuilt.shape == (3, 16, 16)
    assert knn(ssl, dls).n_labelled == len(dls.train_ds)


def block(root, blocks, **options):
    common = {"get_items": get_image_files, "item_tfms": Resize(16), "get_y": parent_label}
    return DataBlock(blocks, **{**common, **options}).dataloaders(root, bs=8, num_workers=0, device="cpu")


def same_again(file):
    return file


OTHER_TARGETS = {
    "TensorMultiCategory": lambda root: from_df(
        root, columns(root, kind=[f"{label};x" for label in table(root).label]), label_delim=";"
    ),
    "Tensor": lambda root: from_df(root, columns(root, kind=1.5), y_block=RegressionBlock),
    "PILImage": lambda root: block(root, (ImageBlock, ImageBlock), get_y=same_again),
    "nothing": lambda root: block(root, (ImageBlock,), get_y=None),
}


@pytest.mark.parametrize("found", OTHER_TARGETS)
@pytest.mark.parametrize("make", [classifier_learner, linear_probe, knn])
def test_targets_that_are_no_class_are_refused_in_one_line(found, make, image_folder):
    dls = OTHER_TARGETS[found](image_folder(train=8, test=0, unlabelled=0) / "train")
    with pytest.raises(ConfigError, match=f"^dls: found {found} beside an image, expected one class.*$"):
        make(dls, "conv") if make is classifier_learner else make("conv", dls)


@pytest.mark.parametrize("make", [autoencoder_learner, simclr_learner, classifier_learner])
def test_two_images_an_item_are_refused_in_one_line(make, image_folder):
    root = image_folder(train=8, test=0, unlabelled=0) / "train"
    dls = block(root, (ImageBlock, ImageBlock, CategoryBlock), n_inp=2, get_x=[same_again, same_again])
    with pytest.raises(ConfigError, match=r"^dls: found 2 inputs an item, expected one image.*$"):
        make(dls)


def test_several_classes_an_image_are_enough_to_pre_train_on(image_folder):
    dls = block(
        image_folder(train=8, test=0, unlabelled=0) / "train",
        (ImageBlock, MultiCategoryBlock),
        get_y=lambda file: ["a"],
    )
    learn = quiet(autoencoder_learner(dls, "conv", seed=0))
    learn.fit(1, 1e-3)
    assert learn.recorder.values[-1][0] < 1


def test_lists_of_tensors_do_where_the_number_of_classes_is_said(digits):
    pairs = [(x.float() / 255, int(y)) for x, y in zip(digits.train.x[:60], digits.train.y[:60], strict=True)]
    dls = DataLoaders.from_dsets(pairs[:40], pairs[40:], bs=8, num_workers=0, device="cpu")
    with pytest.raises(DataError, match=r"found 0 classes, .* say how many by dls.c"):
        classifier_learner(dls, "conv")
    dls.c = 10
    ssl = quiet(autoencoder_learner(dls, "conv", seed=0))
    learn = quiet(classifier_learner(dls, ssl, seed=0))
    for each in (ssl, learn):
        each.fit(1, 1e-3)
    assert learn.get_preds()[0].shape == (20, 10)
    assert linear_probe(ssl, dls).accuracy > 0.3


def test_batches_that_are_no_images_are_refused_in_one_line():
    rows = [(torch.rand(5), i % 2) for i in range(16)]
    with pytest.raises(ConfigError, match=r"^dls: found batches of Tensor \[8, 5\], expected images \[N, C, H, W\]$"):
        autoencoder_learner(DataLoaders.from_dsets(rows, rows, bs=8, num_workers=0, device="cpu"))
