"""What the tests of generative methods share."""

import torch
from killing import kill_this_process, killed
from quiet import quiet
from torch import nn

from sslfast import Checkpoint, classifier_learner, image_dls, load_encoder, save_encoder
from sslfast.training.callbacks import History, SeedEpochs
from sslfast.training.lean import LeanLearner


def state(module: nn.Module) -> dict:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def fitted(make, epochs: int = 3, lr: float = 1e-3, cbs=()) -> tuple:
    """A learner of `make()`, trained, and its rows without times."""
    learn = quiet(make())
    learn.fit(epochs, lr, wd=0, cbs=[SeedEpochs(0), history := History(), *cbs])
    return learn, [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


def goes_on_as_if_never_killed(make, folder, monkeypatch) -> bool:
    """Whether a fit of 4 epochs that is killed in its third, and called again, gives what an unbroken one gives."""
    expected, expected_rows = fitted(make, 4)
    file, batch = folder / "checkpoint.safetensors", LeanLearner._do_one_batch

    def one(learn):
        if learn.training and learn.epoch == 2 and learn.iter == 1:
            kill_this_process()
        batch(learn)

    with monkeypatch.context() as patch:
        patch.setattr(LeanLearner, "_do_one_batch", one)
        assert killed(lambda: fitted(make, 4, cbs=[Checkpoint(file)]))
    assert file.exists()
    learn, rows = fitted(make, 4, cbs=[Checkpoint(file)])
    return same(state(learn.model), state(expected.model)) and rows == expected_rows


def folder_loaders(root, size: int = 28):
    """A fastai user's own DataLoaders over a folder of images, resized and normalised."""
    from fastai.data.transforms import Normalize
    from fastai.vision.augment import Resize
    from fastai.vision.data import ImageDataLoaders

    return ImageDataLoaders.from_folder(
        root, train="train", valid_pct=0.3, seed=0, bs=8, num_workers=0, device="cpu", item_tfms=Resize(size),
        batch_tfms=Normalize.from_stats([0.3] * 3, [0.4] * 3, cuda=False),
    )  # fmt: skip


def is_stored_and_classified_over(learn, method: str, images, folder) -> bool:
    """Whether its encoder comes back from a file as it was, and a classifier over it leaves it so."""
    save_encoder(learn.encoder, folder / "e.safetensors", method=method)
    stored = load_encoder(folder / "e.safetensors", method=method)
    dls = image_dls(images, labelled=0.1, seed=0, bs=32, device="cpu").classify
    over = quiet(classifier_learner(dls, learn, seed=0))
    over.fit(1)
    return same(state(learn.encoder), state(stored)) and same(state(over.model.encoder), state(learn.encoder))
