"""Images that are not square: `image_size=(height, width)`, as in fastai's `Resize`, from the folder to the score."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from every_method import encoder_for, learner_options
from fastai.data.transforms import Normalize
from fastai.vision.augment import Resize
from fastai.vision.data import ImageDataLoaders
from hostile import is_one_line
from PIL import Image
from quiet import quiet

from sslfast import (
    classifier_learner,
    finetune_learner,
    image_dls,
    knn,
    label_curve,
    linear_probe,
    load_encoder,
    rotation_learner,
    save_encoder,
    supervised_learner,
)
from sslfast.data.augment import Augment
from sslfast.errors import ConfigError, RecordError
from sslfast.models import create_encoder
from sslfast.report.drawing.pictures import sheet
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pixels, pretrain
from sslfast.stages.examples import as_seen
from sslfast.study.examples import Examples, read_examples, write_examples
from sslfast.study.image_size import checked_size, image_size_of
from sslfast.study.methods import methods
from sslfast.study.records import write_record

SIZE = (24, 32)
METHODS = [name for name, one in methods().items() if not one.square]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Photographs of 48 × 64 of two classes, brighter to the right or to the bottom, beside one of 64 × 48."""
    root, rng = tmp_path_factory.mktemp("wide") / "images", np.random.default_rng(0)
    down, across = np.mgrid[:48, :64]
    for name, along in (("down", 4 * down), ("across", 3 * across)):
        (root / name).mkdir(parents=True)
        for i in range(24):
            pixels = along[..., None] + rng.integers(0, 50, (48, 64, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{name}_{i}.png")
    tall = Image.fromarray((4 * np.arange(64)[:, None, None] * np.ones((1, 48, 3)) / 2).astype(np.uint8))
    tall.save(root / "down" / "tall.png")
    return root


@pytest.fixture(scope="module")
def ours(root):
    return image_dls(root, image_size=SIZE, bs=16, device="cpu", seed=0)


@pytest.fixture(params=["ours", "ordinary"])
def dls(request, ours, root):
    if request.param == "ours":
        return ours.pretrain
    tfms = Normalize.from_stats([0.3] * 3, [0.4] * 3, cuda=False)
    return ImageDataLoaders.from_folder(
        root, valid_pct=0.3, seed=0, bs=8, num_workers=0, device="cpu", item_tfms=Resize(SIZE), batch_tfms=tfms
    )


def test_images_are_scaled_until_they_cover_the_size_and_keep_their_shape(root, ours):
    assert ours.data.train.image_size == SIZE
    assert ours.classify.one_batch()[0].shape == (16, 3, *SIZE)
    path = root / "across" / "across_3.png"
    seen = ours.classify.test_dl([path]).dataset.images.x[0].permute(1, 2, 0).numpy()
    expected = Image.open(path).resize((32, 24), Image.Resampling.BICUBIC)
    assert np.abs(seen.astype(int) - np.asarray(expected).astype(int)).max() <= 1
    (tall,) = ours.classify.test_dl([root / "down" / "tall.png"]).dataset.images.x
    ends = [float(tall[0, row].float().mean()) for row in (0, -1)]
    assert ends == pytest.approx([28, 98], abs=3), "the middle 36 of 64 rows, from dark to 128"


def test_a_size_of_two_equal_numbers_is_that_of_a_square(root):
    one, two = (image_dls(root, image_size=size, device="cpu") for size in (16, [16, 16]))
    assert one.data.fingerprint == two.data.fingerprint
    assert two.data.train.image_size == 16


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_padding_adds_bars_and_squashing_and_cropping_do_not(tmp_path, fit):
    for name in ("one", "other"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("L", (40, 40), 100 + i + 10 * len(name)).save(tmp_path / "images" / name / f"{i}.png")
    dls = image_dls(tmp_path / "images", image_size=(8, 16), channels=1, fit=fit, device="cpu", seed=0)
    bars = (dls.data.train.x == 0).float().mean((0, 1, 2))
    assert bars.tolist() == ([1.0] * 4 + [0.0] * 8 + [1.0] * 4 if fit == "pad" else [0.0] * 16)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_from_them_and_gives_images_of_their_shape_back(dls, method, root):
    learn = quiet(methods()[method].load()(dls, encoder_for(method), seed=0, **learner_options(method)))
    learn.fit(1, 1e-3)
    assert all(np.isfinite(value) for value in learn.recorder.values[-1] if value is not None)
    x = dls.valid.one_batch()[0].as_subclass(torch.Tensor)[:3]
    for pictures in getattr(learn.model, "pictures", lambda x: {})(x).values():
        assert pictures.shape[-3:] == x.shape[-3:]
    if method in ("autoencoder", "vae", "mae"):
        assert learn.predict(root / "down" / "tall.png")[0].shape == x.shape[1:]
    losses = learn.get_preds(with_loss=True)[-1]
    assert torch.isfinite(losses).all()
    learn.show_results(max_n=2)
    dls.show_batch(max_n=2)
    shown = [axes.images[0].get_array().shape for axes in plt.gcf().axes if axes.images]
    assert {shape[:2] for shape in shown} == {SIZE}
    plt.close("all")


def test_rotation_is_refused_as_the_shape_would_tell_the_turn(dls):
    with pytest.raises(ConfigError, match="found images of 24 × 32 pixels, expected squares for rotation") as caught:
        rotation_learner(dls)
    assert is_one_line(caught.value)


@pytest.mark.parametrize("encoder", ["original", "conv"])
def test_encoders_learn_from_them_and_keep_their_shape_in_a_file(ours, encoder, tmp_path):
    learn = quiet(supervised_learner(ours.classify, encoder, seed=0))
    learn.fit(8, 5e-3)
    assert learn.recorder.values[-1][0] < 0.6, "the training loss, log 2 for guesses"
    save_encoder(learn, tmp_path / "e.safetensors")
    again = load_encoder(tmp_path / "e.safetensors", image_size=SIZE)
    assert again.image_size == SIZE
    for make in (classifier_learner, finetune_learner):
        other = quiet(make(ours.classify, tmp_path / "e.safetensors", seed=0))
        other.fit(1, 3e-3)
        assert other.predict(ours.data.test.x[0])[2].shape == (2,)
    assert linear_probe(learn, ours).accuracy > 0.6
    assert knn(again, ours).accuracy > 0.6
    with pytest.raises(RecordError, match=r"image_size is \[24, 32\], expected \[32, 24\]"):
        load_encoder(tmp_path / "e.safetensors", image_size=(32, 24))


def test_an_encoder_of_another_shape_is_refused_in_one_line(ours):
    for size in (24, 32, (32, 24)):
        message = f"was made for image_size {size}, these images have {SIZE}"
        with pytest.raises(ConfigError) as caught:
            classifier_learner(ours.classify, create_encoder("conv", 3, size))
        assert message in str(caught.value)
        assert is_one_line(caught.value)


def test_test_time_augmentation_and_curves_take_them(ours):
    learn = quiet(supervised_learner(ours.classify, "conv", seed=0))
    learn.fit(1, 1e-3)
    assert learn.tta(n=2)[0].shape == (len(ours.classify.valid_ds), 2)
    runs = label_curve(ours, learn, labelled=[0.5], seeds=2, updates=20).runs
    assert len(runs) == 4
    assert runs.accuracy.between(0, 1).all()


def test_the_stages_of_a_study_take_them_and_its_figures_show_them_whole(ours, tmp_path):
    data, split = ours.data, ours.split
    run = RunSettings(study="wide", batch_size=16, budget="epochs", precision="float32")
    fit = FitSettings(epochs=1, updates=10, lr=3e-3)
    encoder, made, pictures = pretrain(data, split, run, fit, method="autoencoder", encoder="conv", u="1")
    assert pictures["reconstructions"].shape[1:3] == SIZE
    files = {"encoder_file": tmp_path / "e.safetensors", "pretrain_record": tmp_path / "e.json"}
    save_encoder(encoder, files["encoder_file"], **encoder_header(made))
    write_record(made, files["pretrain_record"])
    for evaluate in ("head", "linear"):
        assert classify(data, split, run, fit, l="1", evaluate=evaluate, **files)[1].status == "ok"
    assert pixels(data, split, run, l="1")[1].status == "ok"
    seen = as_seen(data, split, Augment())
    assert (seen.side, seen.images.shape[2:4]) == (SIZE, SIZE)
    write_examples(Examples(("across", "down"), seen.images[0], [], {}, [], seen), tmp_path / "examples.npz")
    assert read_examples(tmp_path / "examples.npz").seen.side == SIZE
    drawn, steps = sheet(list(seen.images))
    assert steps == (26, 34)
    np.testing.assert_array_equal(drawn[:24, 34:66], seen.images[0][1])


@pytest.mark.parametrize("model", ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_nets_of_timm_have_a_map_of_their_shape(model):
    pytest.importorskip("timm")
    encoder = create_encoder(f"timm.{model}", 3, (96, 64))
    features = encoder.eval()(torch.rand(1, 3, 96, 64))
    assert tuple(features.shape[1:]) == encoder.out_shape
    assert encoder.out_shape[1:] == {"v": (6, 4)}.get(model[0], (3, 2))


@pytest.mark.parametrize(
    ("model", "sides"), [("mobilenetv3_small_050", (96, 128)), ("vit_tiny_patch16_224", (224, 224))]
)
def test_a_base_net_sees_whole_images_in_their_shape_unless_it_takes_squares_alone(ours, model, sides):
    pytest.importorskip("timm")
    learn = quiet(classifier_learner(ours.classify, f"timm.{model}", pretrained=False, seed=0))
    seen = []
    learn.model.encoder.net.register_forward_pre_hook(lambda module, given: seen.append(tuple(given[0].shape[2:])))
    learn.predict(ours.data.test.x[0])
    assert set(seen) == {sides}


@pytest.mark.parametrize("size", [(4, 32), (32,), (32, 32, 32), "32", 7, (24, 32.5), True, 32.0, {8: 9}, object()])
def test_what_is_no_size_is_refused_in_one_line(root, size):
    with pytest.raises(
        ConfigError, match=r"image_size: found .*, expected 8 pixels or more, or \(height, width\)"
    ) as e:
        image_dls(root, image_size=size, device="cpu")
    assert is_one_line(e.value)
    with pytest.raises(ConfigError, match="image_size: found"):
        create_encoder("conv", 3, size)


@pytest.mark.parametrize("options", [{"image_size": 16}, {"image_size": (8, 16)}, {"channels": 3}])
def test_images_that_have_a_size_of_their_own_keep_it_and_it_is_said(options):
    with pytest.raises(ConfigError, match="but that of digits's images is"):
        image_dls("digits", device="cpu", **options)
    same = image_dls("digits", device="cpu", image_size=[8, 8], channels=1)
    assert same.data.train.image_size == 8


def test_a_size_is_one_number_for_squares_however_it_was_given():
    assert image_size_of([32, 32]) == image_size_of((32, 32)) == image_size_of(32) == 32
    assert image_size_of([24, 32]) == (24, 32)
    assert checked_size(np.array([24, 32])) == checked_size((np.int64(24), 32)) == (24, 32)
    assert type(checked_size(np.int64(32))) is int
