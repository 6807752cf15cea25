"""What fastai users do with the learners: fastai's own tools, over loaders of `image_dls` and over ordinary ones."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from fastai.callback.mixup import CutMix, MixUp
from fastai.callback.preds import MCDropoutCallback
from fastai.callback.training import GradientAccumulation
from fastai.distributed import ParallelTrainer
from fastai.interpret import Interpretation
from fastai.learner import load_learner
from generative_checks import folder_loaders
from quiet import quiet
from torch import nn
from torchvision.models import resnet18

from sslfast import (
    autoencoder_learner,
    barlow_learner,
    byol_learner,
    classifier_learner,
    gan_learner,
    image_dls,
    load_encoder,
    mae_learner,
    rotation_learner,
    save_encoder,
    simclr_learner,
    supervised_learner,
    vae_learner,
    vicreg_learner,
)
from sslfast.errors import ConfigError


def mae(dls, encoder, **options):
    """The masked autoencoder, whose encoder is its own."""
    return mae_learner(dls, "vit", **options)


REBUILD = [autoencoder_learner, vae_learner, mae]
TWO_VIEWS = [simclr_learner, vicreg_learner, barlow_learner, byol_learner]
METHODS = [*REBUILD, gan_learner, *TWO_VIEWS, rotation_learner]
CLASSIFY = [classifier_learner, supervised_learner]


@pytest.fixture(scope="module")
def ours(digits):
    return image_dls(digits, unlabelled=0.2, labelled=0.2, seed=0, bs=32, device="cpu")


@pytest.fixture(params=["ours", "ordinary"])
def dls(request, ours, image_folder):
    """Loaders to pre-train on: of `image_dls`, and a fastai user's own."""
    if request.param == "ours":
        return ours.pretrain
    return folder_loaders(image_folder(train=8, test=0, unlabelled=0), 16)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("make", METHODS)
def test_results_are_what_the_method_makes_of_images(dls, make):
    learn = quiet(make(dls, "original", seed=0))
    learn.fit(1)
    learn.show_results(max_n=4)
    axes = [axes for axes in plt.gcf().axes if axes.images]
    titles = [axes.get_title() for axes in axes]
    if make in REBUILD:
        assert titles == ["input", "reconstruction"] * 4
    elif make in TWO_VIEWS:
        assert titles == ["input", "other view"] * 4
    elif make is rotation_learner:
        assert [title.split("\n")[0] for title in titles] == ["0°", "90°", "180°", "270°"]
    else:
        samples = learn.model.samples(4)
        shown = torch.stack([torch.as_tensor(axes.images[0].get_array()) for axes in axes])
        made = (samples * 255).round().byte()
        assert torch.equal(shown, made[:, 0] if made.shape[1] == 1 else made.permute(0, 2, 3, 1))


@pytest.mark.parametrize("make", METHODS)
def test_an_image_can_be_given_to_predict(dls, make, tmp_path):
    from PIL import Image

    path = tmp_path / "image.png"
    Image.radial_gradient("L").convert("RGB").save(path)
    learn = quiet(make(dls, "original", seed=0))
    decoded, same, _ = learn.predict(path)
    assert torch.equal(decoded, same)
    shape = tuple(dls.one_batch()[0].shape[1:])
    if make in REBUILD:
        assert tuple(decoded.shape) == shape
        assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1
    elif make is rotation_learner:
        assert tuple(decoded.shape) == (4,)
    assert len(learn.predict(path, with_input=True)) == 4


@pytest.mark.parametrize("make", METHODS)
def test_losses_per_image_are_those_of_the_whole(dls, make):
    """So fastai's `Interpretation` finds the images of highest loss."""
    learn = quiet(make(dls, "original", seed=0))
    n = len(dls.valid_ds)
    losses = learn.get_preds(with_loss=True)[-1]
    assert losses.shape == (n,)
    if make not in [*TWO_VIEWS, autoencoder_learner, mae]:  # whose losses depend on the batch, or are its root
        assert float(losses.mean()) == pytest.approx(learn.validate()[0], rel=1e-3)
    top, rows = Interpretation.from_learner(learn).top_losses(3)
    assert len(rows) == 3
    assert float(top[0]) == float(losses.max())


@pytest.mark.parametrize("make", METHODS)
def test_images_of_highest_loss_are_drawn_as_results_are_under_their_loss(dls, make):
    learn = quiet(make(dls, "original", seed=0))
    found = Interpretation.from_learner(learn)
    losses, rows = found.top_losses(3)
    found.plot_top_losses(3)
    drawn = [axes for axes in plt.gcf().axes if axes.images]
    under = drawn[:: len(drawn) // 3]
    assert [axes.get_title().split("\n")[0] for axes in under] == [f"loss {float(loss):.3f}" for loss in losses]
    if make in (autoencoder_learner, vae_learner, gan_learner):  # others show views, or parts
        x = dls.test_dl([dls.valid.items[int(rows[0])]]).one_batch()[0]
        expected = dls.valid.after_batch.decode((x,))[0][0].as_subclass(torch.Tensor)
        expected = expected * (255 if expected.max() <= 1 else 1)
        seen = torch.as_tensor(under[0].images[0].get_array())
        seen = seen[None] if seen.ndim == 2 else seen.permute(2, 0, 1)
        torch.testing.assert_close(seen.float(), expected.float(), atol=1, rtol=0)
    plt.close("all")
    found.show_results(rows[:2])
    titles = [axes.get_title() for axes in plt.gcf().axes if axes.images]
    assert len(titles) == 2 * (1 if make in (gan_learner, rotation_learner) else 2)
    assert not any("loss" in title for title in titles)
    found.plot_top_losses([0, 2], largest=False)
    assert f"loss {float(found.losses.min()):.3f}" in [axes.get_title().split("\n")[0] for axes in plt.gcf().axes]


@pytest.mark.parametrize("mixes", [MixUp, CutMix])
@pytest.mark.parametrize("make", METHODS)
def test_images_are_mixed_where_they_are_what_the_model_gets_and_else_refused_in_one_line(dls, make, mixes):
    learn = quiet(make(dls, "original", seed=0))
    if make in (autoencoder_learner, vae_learner):
        learn.fit(1, 1e-3, cbs=mixes())
        assert torch.isfinite(torch.tensor(learn.recorder.values[-1])).all()
        return
    before = {name: value.clone() for name, value in learn.model.state_dict().items()}
    with pytest.raises(ConfigError, match=rf"^cbs: found {mixes.__name__}, but what .* cannot be mixed; leave .* out$"):
        learn.fit(1, cbs=mixes())
    assert all(torch.equal(value, before[name]) for name, value in learn.model.state_dict().items())
    learn.fit(1, 1e-3)


@pytest.mark.parametrize("make", METHODS)
def test_a_learner_that_pre_trains_averages_no_scores_over_views(dls, make):
    with pytest.raises(ConfigError, match=r"^tta: found a learner that pre-trains"):
        make(dls, "original", seed=0).tta(n=2)


@pytest.mark.parametrize("make", [*METHODS, *CLASSIFY])
def test_a_learner_is_described_layer_by_layer_and_goes_on_after_a_file(ours, make, tmp_path):
    learn = quiet(make(ours.classify if make in CLASSIFY else ours.pretrain, "original", seed=0, path=tmp_path))
    assert "Conv2d" in str(learn.summary())
    learn.logger = print  # a function of a file that is imported, for pickle
    learn.export("learner.pkl")
    again = quiet(load_learner(tmp_path / "learner.pkl"))
    x = ours.data.test.x[0]
    found, expected = again.predict(x)[2], learn.predict(x)[2]
    for one, other in zip(*(part if isinstance(part, tuple) else (part,) for part in (found, expected)), strict=True):
        assert torch.equal(one, other)
    again.dls = learn.dls
    again.fit(1, 1e-3)


@pytest.mark.parametrize("make", [simclr_learner, rotation_learner])
def test_flips_are_left_out_of_loaders_that_are_set_later_too(digits, make):
    options = {"unlabelled": 0.2, "seed": 0, "bs": 32, "device": "cpu"}
    learn = quiet(make(image_dls(digits, **options).pretrain, "original", seed=0))
    learn.dls = image_dls(digits, augment={"flip_vertical": 1.0}, **options).pretrain
    learn.fit(1, 1e-3)
    other = quiet(make(image_dls(digits, augment={"flip_vertical": 1.0}, **options).pretrain, "original", seed=0))
    other.fit(1, 1e-3)
    assert learn.recorder.values == other.recorder.values


def test_dropout_may_stay_awake_to_tell_what_a_classifier_is_unsure_of(ours):
    learn = quiet(supervised_learner(ours.classify, "original", seed=0))
    one, other, still = (learn.get_preds(cbs=cbs)[0] for cbs in (MCDropoutCallback(), MCDropoutCallback(), None))
    assert not torch.equal(one, other)
    assert torch.equal(still, learn.get_preds()[0])


def test_a_frozen_encoder_is_at_rest_without_the_callbacks_of_fastai_too(ours):
    learn = classifier_learner(ours.classify, "conv", seed=0, views="fresh", default_cbs=False)
    before = {name: value.clone() for name, value in learn.model.encoder.state_dict().items()}
    learn.fit(1, 1e-3)
    assert all(torch.equal(value, before[name]) for name, value in learn.model.encoder.state_dict().items())


@pytest.mark.parametrize("make", [*METHODS, *CLASSIFY])
def test_gradients_may_be_accumulated(ours, make):
    learn = quiet(make(ours.classify if make in CLASSIFY else ours.pretrain, "original", seed=0))
    learn.fit(1, 1e-3, cbs=GradientAccumulation(64))
    assert torch.isfinite(torch.stack([p.detach().sum() for p in learn.model.parameters()])).all()


@pytest.mark.parametrize("make", [*METHODS, *CLASSIFY])
def test_models_may_be_wrapped_for_several_gpus(ours, make):
    """On a CPU `DataParallel` hands on to its module: the same fit, by the same names."""
    losses = []
    for cbs in ((), (ParallelTrainer([]),)):
        dls = image_dls(ours.data, unlabelled=0.2, labelled=0.2, seed=0, bs=32, device="cpu")
        options = {"views": "fresh"} if make is classifier_learner else {}
        learn = quiet(make(dls.classify if make in CLASSIFY else dls.pretrain, "original", seed=0, **options))
        torch.manual_seed(0)
        learn.fit(1, 1e-3, cbs=list(cbs))
        losses.append(learn.recorder.values[-1])
        assert not isinstance(learn.model, nn.DataParallel)
    assert losses[0] == losses[1]


def test_a_frozen_encoder_may_be_wrapped_with_views_left_to_chance(ours):
    learn = quiet(classifier_learner(ours.classify, "original", seed=0))
    before = {name: value.clone() for name, value in learn.model.encoder.state_dict().items()}
    learn.fit(10, 1e-3, cbs=ParallelTrainer([]))
    assert all(torch.equal(value, before[name]) for name, value in learn.model.encoder.state_dict().items())


def test_vicreg_takes_two_embeddings_of_one_shape_and_nothing_else():
    from sslfast.methods.vicreg import VICRegLoss

    z = torch.rand(4, 8)
    for z0, z1 in ((z, z[:1]), (torch.rand(2, 10, 32), torch.rand(2, 10, 32))):
        with pytest.raises(ValueError, match="expected two of one shape"):
            VICRegLoss()(z0, z1)
    other = torch.rand(4, 8)
    each = VICRegLoss(reduction="none")(z, other)
    assert each.shape == (4,)
    assert float(each.mean()) == pytest.approx(float(VICRegLoss()(z, other)), rel=1e-6)
    assert each.argmax() == (z - other).square().mean(1).argmax()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda dls: simclr_learner(dls), r"dls: found ImageLoaders, .* take .pretrain or .classify"),
        (lambda dls: classifier_learner(dls), r"dls: found ImageLoaders, .* take .pretrain or .classify"),
        (lambda dls: classifier_learner(dls.pretrain), "dls: found images without classes"),
        (lambda dls: supervised_learner(dls.pretrain), "dls: found images without classes"),
        (lambda dls: simclr_learner(None), r"dls: found None; image_dls\(…, unlabelled=0\)"),
        (lambda dls: simclr_learner(dls.pretrain, resnet18), "encoder: found resnet18, expected a name"),
        (lambda dls: classifier_learner(dls.classify, 18), "encoder: found 18, expected a name"),
        (
            lambda dls: autoencoder_learner(dls.pretrain, nn.Conv2d(3, 8, 3)),
            r"encoder: Conv2d cannot take images of \[1, 8, 8\]",
        ),
        (
            lambda dls: classifier_learner(dls.classify, "conv", head=nn.Sequential(nn.Flatten(), nn.LazyLinear(3))),
            r"head: gives \[2, 3\] for two images, expected class scores \[2, 10\]",
        ),
        (
            lambda dls: classifier_learner(dls.classify, "conv", head=nn.Sequential(nn.Flatten(), nn.Linear(7, 10))),
            r"head: cannot take features of",
        ),
        (lambda dls: save_encoder(nn.Conv2d(1, 8, 3), "e.safetensors"), "encoder: found Conv2d, expected an encoder"),
        (lambda dls: save_encoder(simclr_learner(dls.pretrain, "conv"), "enc1"), "path: found enc1, expected a name"),
    ],
)
def test_easy_mistakes_end_in_one_line_that_says_what_to_type(ours, make, message):
    with pytest.raises(ConfigError, match=message) as error:
        make(ours)
    assert "\n" not in str(error.value)


def test_the_encoder_of_a_learner_can_be_saved_as_it_is(ours, tmp_path):
    learn = simclr_learner(ours.pretrain, "conv", seed=0)
    save_encoder(learn, tmp_path / "e.safetensors")
    loaded = load_encoder(tmp_path / "e.safetensors").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in learn.encoder.state_dict().items())


DISTRIBUTED = ["autoencoder_learner", "simclr_learner", "classifier_learner", "supervised_learner"]


@pytest.fixture(scope="module")
def distributed() -> dict[str, list[dict]]:
    """What each of two processes tells of its fits, by learner: fastai's `distrib_ctx`, on CPUs."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    script = Path(__file__).with_name("distributed_fit.py")
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, script, *DISTRIBUTED],
            env={**shared, "RANK": rank, "LOCAL_RANK": rank, "ACCELERATE_USE_CPU": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    ends = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends[0][1]
    told = ([json.loads(line) for line in out.splitlines() if line.startswith("{")] for out, _ in ends)
    return dict(zip(DISTRIBUTED, map(list, zip(*told, strict=True)), strict=True))


@pytest.mark.parametrize("name", DISTRIBUTED)
def test_two_processes_train_one_model_each_on_its_own_half_of_the_images(distributed, name):
    one, other = distributed[name]
    for key, value in one["weights"].items():
        if "running" not in key and "num_batches" not in key:  # statistics of BatchNorm are each process's own
            assert other["weights"][key] == pytest.approx(value, abs=1e-9)
    assert one["seen"] == other["seen"] > 0
    assert one["first"] != other["first"]
    assert [row[1] for row in one["rows"]] == pytest.approx([row[1] for row in other["rows"]])  # validation, gathered
