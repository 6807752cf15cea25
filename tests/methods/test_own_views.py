"""What SimCLR, VICReg, Barlow Twins, BYOL and rotation have in common, trained for real on handwritten digits."""

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner, load_learner
from killing import kill_this_process, killed
from quiet import quiet
from torch import nn

from sslfast import Augment, Checkpoint, classifier_learner, image_dls, random_encoder
from sslfast.data.images import ImageData, ImageSet
from sslfast.errors import ConfigError
from sslfast.methods.barlow import barlow_learner
from sslfast.methods.byol import byol_learner
from sslfast.methods.rotation import rotation_learner
from sslfast.methods.simclr import simclr_learner
from sslfast.methods.vicreg import vicreg_learner
from sslfast.training.callbacks import History, SeedEpochs

LEARNERS = [simclr_learner, vicreg_learner, barlow_learner, byol_learner, rotation_learner]
VIEWS = {"crop": 0.5, "flip": 0}
LR = 5e-3
SMALL = {"projector": (64, 64)}  # as digits are


@pytest.fixture(scope="module")
def colours(digits) -> ImageData:
    """Digits in three channels, each of its own brightness."""

    def coloured(images):
        x = torch.cat([images.x, images.x // 2, 255 - images.x], 1)
        return ImageSet(x, images.y, images.classes)

    return ImageData("colours", coloured(digits.train), coloured(digits.test), "colours")


def loaders(data, unlabelled=0.5):
    return image_dls(data, unlabelled=unlabelled, labelled=0.5, seed=0, bs=64, device="cpu", augment=Augment())


@pytest.fixture
def dls(digits):
    return loaders(digits)


def fitted(learn: Learner, epochs: int, *cbs) -> list[dict]:
    """The rows of a fit, without times."""
    quiet(learn).fit(epochs, LR, cbs=[history := History(), *cbs])
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


def state(module: nn.Module) -> dict:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Inputs(Callback):
    """Keeps what the model was given and its loss was given, by epoch and part."""

    order = 90

    def before_fit(self):
        self.seen = {}

    def before_batch(self):
        self.seen.setdefault((self.epoch, self.learn.training), []).append(self.xb[0].clone())

    def epoch_of(self, epoch: int, training: bool) -> torch.Tensor:
        return torch.cat(self.seen[epoch, training])


def learns(rows, metric, better):
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert rows[-1]["valid_loss"] < rows[0]["valid_loss"]
    assert better * rows[-1][metric] > better * rows[0][metric]


@pytest.mark.parametrize("channels", [1, 3])
def test_simclr_spreads_images_and_then_aligns_their_views(digits, colours, channels):
    learn = simclr_learner(loaders({1: digits, 3: colours}[channels]).pretrain, "conv", seed=0, views=VIEWS)
    rows = fitted(learn, 12)
    learns(rows, "uniformity", -1)
    assert rows[-1]["uniformity"] < -2
    assert rows[-1]["alignment"] < 0.6 < 2  # two images that have nothing in common are at 2
    later = rows[2:]  # a random network maps all images to one place, perfectly aligned
    assert later[-1]["alignment"] < later[0]["alignment"]


@pytest.mark.parametrize("channels", [1, 3])
def test_vicreg_gives_dimensions_their_spread_back(digits, colours, channels):
    learn = vicreg_learner(loaders({1: digits, 3: colours}[channels]).pretrain, "conv", seed=0, views=VIEWS, **SMALL)
    rows = fitted(learn, 12)
    learns(rows, "variance", -1)
    assert rows[-1]["variance"] < 0.7 * rows[0]["variance"]
    for row in rows:  # the validation images are one batch here
        parts = 25 * row["invariance"] + 25 * row["variance"] + row["covariance"]
        assert row["valid_loss"] == pytest.approx(parts, rel=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_is_recognised(digits, colours, channels):
    learn = rotation_learner(loaders({1: digits, 3: colours}[channels]).pretrain, "conv", seed=0, views={"flip": 0})
    rows = fitted(learn, 6)
    learns(rows, "accuracy", 1)
    assert rows[-1]["accuracy"] > 0.6  # chance is 0.25


@pytest.mark.parametrize("make", LEARNERS)
def test_a_head_over_the_encoder_scores_higher_than_over_a_random_one(dls, make):
    pretrained = quiet(make(dls.pretrain, "conv", seed=0, views=VIEWS, **SMALL))
    pretrained.fit(10, LR)
    scores = []
    for source in (pretrained, random_encoder(dls.classify, "conv", seed=0)):
        learn = quiet(classifier_learner(dls.classify, source, seed=0))
        learn.fit(8, 5e-3)
        scores.append(learn.recorder.values[-1][-1])
    assert scores[0] > scores[1] + 0.05


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", LEARNERS)
def test_the_same_seed_gives_the_same_weights_and_rows_bit_for_bit(digits, make, precision):
    def result(noise):
        torch.manual_seed(noise)  # nothing depends on it
        learn = make(loaders(digits, 0.2).pretrain, "original", seed=1, views=VIEWS, precision=precision)
        return fitted(learn, 2), state(learn.model)

    (rows, weights), (other_rows, other_weights) = result(0), result(1)
    assert rows == other_rows
    assert same(weights, other_weights)


@pytest.mark.parametrize("make", LEARNERS)
def test_training_sees_other_views_each_epoch_and_validation_the_same(dls, make):
    learn = quiet(make(dls.pretrain, "original", seed=0))
    dls.pretrain.train.get_idxs = lambda: torch.arange(64)  # the same images in the same order
    learn.fit(2, cbs=(inputs := Inputs()))
    learn.fit(1, cbs=(again := Inputs()))
    assert not torch.equal(inputs.epoch_of(0, True), inputs.epoch_of(1, True))
    assert not torch.equal(inputs.epoch_of(0, True), again.epoch_of(0, True))
    assert torch.equal(inputs.epoch_of(0, False), inputs.epoch_of(1, False))
    assert torch.equal(inputs.epoch_of(0, False), again.epoch_of(0, False))


@pytest.mark.parametrize("make", LEARNERS)
def test_views_are_of_the_clean_image_and_normalised_as_the_loader_does(digits, make):
    """The loader's noise, which other methods need, does not reach these."""
    strong = {"noise": 5}
    plain = {"crop": 1, "flip": 0, "jitter": 0, "grey": 0}
    pairs = []
    for augment in (None, strong):
        dls = image_dls(digits, unlabelled=0.2, seed=0, bs=64, device="cpu", augment=augment).pretrain
        learn = quiet(make(dls, "original", seed=0, views=plain))
        learn.fit(1, cbs=(inputs := Inputs()))
        pairs.append(inputs.epoch_of(0, False))
    assert torch.equal(*pairs)
    mean, std = pairs[0].mean(), pairs[0].std()
    assert abs(mean) < 0.1
    assert abs(std - 1) < 0.1


@pytest.mark.parametrize("make", LEARNERS)
def test_the_encoder_starts_as_the_random_control_of_its_seed(dls, make):
    assert same(state(make(dls.pretrain, "conv", seed=5).encoder), state(random_encoder(dls.classify, "conv", seed=5)))


@pytest.mark.parametrize("make", LEARNERS)
def test_images_are_counted_once_whatever_the_number_of_their_views(dls, make):
    rows = fitted(make(dls.pretrain, "original", seed=0), 2)
    assert [row["images"] for row in rows] == [len(dls.pretrain.train_ds), 2 * len(dls.pretrain.train_ds)]


@pytest.mark.parametrize("make", LEARNERS)
def test_a_users_own_module_trains(dls, make):
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    learn = make(dls.pretrain, encoder, seed=0)
    before = state(learn.encoder)
    learns = fitted(learn, 2)
    assert learns[1]["train_loss"] < learns[0]["train_loss"]
    assert not same(before, state(learn.encoder))
    with pytest.raises(ConfigError, match=r"expected a feature map \[N, C, h, w\]"):
        make(dls.pretrain, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))


@pytest.mark.parametrize("make", LEARNERS)
def test_wrong_options_are_named_before_training(dls, make):
    for options, message in {
        (("projector", "big"),): "projector: found 'big', expected widths of its layers",
        (("projector", (64, 0)),): r"projector: found \(64, 0\), expected widths",
        (("views", (("crop", 2),)),): "views: found",
    }.items():
        with pytest.raises(ConfigError, match=message):
            make(dls.pretrain, "original", **dict(options))


@pytest.mark.parametrize("make", LEARNERS)
def test_ordinary_fastai_image_loaders_work_too(image_folder, make):
    from fastai.data.transforms import Normalize
    from fastai.vision.data import ImageDataLoaders

    root = image_folder(train=12, test=0, unlabelled=0)

    def result():
        torch.manual_seed(0)
        dls = ImageDataLoaders.from_folder(
            root, train="train", valid_pct=0.3, seed=0, bs=8, num_workers=0, device="cpu",
            batch_tfms=Normalize.from_stats([0.3] * 3, [0.4] * 3, cuda=False),
        )  # fmt: skip
        dls.rng.seed(0)
        learn = make(dls, "original", seed=0, views=VIEWS)
        rows = fitted(learn, 3, inputs := Inputs())
        assert torch.equal(inputs.epoch_of(0, False), inputs.epoch_of(2, False))
        lowest, highest = inputs.epoch_of(0, False).aminmax()
        assert lowest >= -0.3 / 0.4 - 1e-4
        assert 0.5 < highest <= 0.7 / 0.4 + 1e-4
        return rows

    assert result() == result()


@pytest.mark.parametrize("make", LEARNERS)
def test_an_exported_learner_gives_the_same_predictions_and_leaves_the_images_behind(dls, make, tmp_path):
    learn = quiet(make(dls.pretrain, "original", seed=0))
    learn.fit(1)
    learn.export(tmp_path / "learner.pkl")
    assert (tmp_path / "learner.pkl").stat().st_size < 3_000_000
    loaded = quiet(load_learner(tmp_path / "learner.pkl"))
    assert torch.equal(loaded.get_preds(dl=dls.pretrain.valid)[0], learn.get_preds(dl=dls.pretrain.valid)[0])
    assert same(state(loaded.encoder), state(learn.encoder))


@pytest.mark.parametrize("make", LEARNERS)
def test_lr_find_suggests_a_rate_and_leaves_the_weights(dls, make):
    learn = quiet(make(dls.pretrain, "original", seed=0))
    before = state(learn.model)
    assert 0 < learn.lr_find(show_plot=False, num_it=30).valley < 10
    assert same(before, state(learn.model))


@pytest.mark.parametrize("make", LEARNERS)
def test_a_killed_fit_goes_on_as_if_never_killed(digits, make, tmp_path, monkeypatch):
    def fit(*cbs):
        learn = make(loaders(digits, 0.2).pretrain, "conv", seed=0, views=VIEWS, **SMALL)
        quiet(learn).fit_one_cycle(4, LR, cbs=[SeedEpochs(0), history := History(), *cbs])
        return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows], state(learn.model)

    expected, batch = fit(), Learner._do_one_batch

    def one(learn):
        if learn.training and learn.epoch == 2 and learn.iter == 1:
            kill_this_process()
        batch(learn)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "_do_one_batch", one)
        assert killed(lambda: fit(Checkpoint(tmp_path / "c")))
    assert (tmp_path / "c").exists()
    rows, weights = fit(Checkpoint(tmp_path / "c"))
    assert rows == expected[0]
    assert same(weights, expected[1])


@pytest.mark.parametrize("make", LEARNERS)
def test_images_of_a_batch_and_results_can_be_drawn(dls, make):
    import matplotlib.pyplot as plt

    learn = quiet(make(dls.pretrain, "original", seed=0))
    dls.pretrain.show_batch(max_n=4)
    learn.show_results(max_n=4)
    assert sum(bool(axes.images) for axes in plt.gcf().axes) == (4 if make is rotation_learner else 8)


@pytest.mark.parametrize("make", [simclr_learner, vicreg_learner])
def test_the_two_views_of_images_can_be_drawn(dls, make):
    axes = quiet(make(dls.pretrain, "original", seed=0)).two_views.show(max_n=4)
    assert [ax.get_title() for ax in axes][:4] == ["input", "other view"] * 2
    pictures = [ax.images[0].get_array() for ax in axes if ax.images]
    assert len(pictures) == 8
    assert all(picture.dtype == "uint8" and picture.std() > 10 for picture in pictures)
    assert not (pictures[0] == pictures[1]).all()
