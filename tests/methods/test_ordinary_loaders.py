"""Learners over fastai's own loaders, made in each of the ways that fastai has for images."""

import pandas as pd
import pytest
import torch
from fastai.callback.progress import ProgressCallback
from fastai.data.transforms import Normalize, get_image_files, parent_label
from fastai.vision.augment import Resize, aug_transforms
from fastai.vision.data import ImageDataLoaders

from sslfast import autoencoder_learner, classifier_learner, knn

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
}


@pytest.mark.parametrize("way", WAYS)
def test_learners_train_and_predict_over_loaders_made(way, image_folder):
    root = image_folder(train=8, test=0, unlabelled=0) / "train"
    dls = WAYS[way](root)
    ssl = autoencoder_learner(dls, "original", seed=0)
    learn = classifier_learner(dls, ssl, seed=0)
    for each in (ssl, learn):
        each.remove_cb(ProgressCallback)
        each.logger = lambda row: None
        each.fit(1, 1e-3)
    assert list(dls.vocab) == ["one", "two", "zero"]
    file = get_image_files(root)[0]
    name, index, scores = learn.predict(file)
    assert name == dls.vocab[int(index)]
    assert float(scores.sum()) == pytest.approx(1, abs=1e-5)
    rebuilt = ssl.predict(file)[0]
    assert torch.isfinite(rebuilt).all()
    assert rebuilt.shape == (3, 16, 16)
    assert knn(ssl, dls).n_labelled == len(dls.train_ds)
