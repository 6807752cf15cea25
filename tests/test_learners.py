"""The learners, trained for real on handwritten digits."""

import numpy as np
import pytest
import torch
from fastai.interpret import ClassificationInterpretation
from fastai.learner import load_learner
from fastai.metrics import accuracy
from garbage import tensors_left_by
from PIL import Image
from quiet import quiet
from sklearn.metrics import confusion_matrix, f1_score
from torch import nn

from sslfast import (
    autoencoder_learner,
    classifier_learner,
    image_dls,
    load_encoder,
    random_encoder,
    save_encoder,
    supervised_learner,
)
from sslfast.errors import ConfigError, DataError
from sslfast.learners import finetune_learner

ENCODERS = ["original", "conv"]


@pytest.fixture
def dls(digits):
    return image_dls(digits, unlabelled=0.5, labelled=0.5, seed=0, bs=32, device="cpu")


def state(module: nn.Module) -> dict:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_autoencoder_learns_to_rebuild_images_better_than_their_mean(dls, encoder):
    learn = quiet(autoencoder_learner(dls.pretrain, encoder, seed=0))
    learn.fit_one_cycle(10, 1e-2)
    rmse = learn.recorder.values[-1][-1]
    x = dls.data.train.x[dls.split.valid].float() / 255
    assert rmse < 0.7 * float((x - x.mean(0)).square().mean().sqrt())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_classifier_over_a_pretrained_encoder_beats_one_over_a_random_encoder(dls, encoder):
    pretrained = quiet(autoencoder_learner(dls.pretrain, encoder, seed=0))
    pretrained.fit(20, 5e-3)
    scores = []
    for source in (pretrained, random_encoder(dls.classify, encoder, seed=0)):
        learn = quiet(classifier_learner(dls.classify, source, seed=0))
        learn.fit(15, 5e-3)
        scores.append(learn.recorder.values[-1][-1])
    assert scores[0] > scores[1] + 0.1


def test_supervised_learner_trains_the_encoder_too(dls):
    learn = quiet(supervised_learner(dls.classify, "conv", seed=0))
    before = state(learn.model.encoder)
    learn.fit(15, 5e-3)
    after = state(learn.model.encoder)
    assert all(not torch.equal(before[name], after[name]) for name in before)
    assert learn.recorder.values[-1][-1] > 0.8


@pytest.mark.parametrize("encoder", ENCODERS)
def test_frozen_encoder_stays_bit_identical_in_parameters_and_batchnorm_statistics(dls, encoder):
    learn = quiet(classifier_learner(dls.classify, encoder, seed=0))
    before, head = state(learn.model.encoder), state(learn.model.head)
    learn.fit(2, 1e-2, wd=0.1)
    learn.fit_one_cycle(1, 1e-2)
    assert same(before, state(learn.model.encoder))
    assert not same(head, state(learn.model.head))


def test_frozen_encoder_runs_in_eval_mode_without_gradients_while_the_head_trains(dls):
    learn = quiet(classifier_learner(dls.classify, "conv", seed=0))
    learn.model.train()
    assert not learn.model.encoder.training
    assert all(not m.training for m in learn.model.encoder.modules())
    assert learn.model.head.training
    seen = []
    learn.model.encoder.register_forward_hook(lambda module, x, out: seen.append(out.requires_grad))
    learn.fit(1)
    assert seen
    assert not any(seen)
    assert all(p.grad is None for p in learn.model.encoder.parameters())


def test_unfreeze_wakes_the_encoder_in_a_group_of_its_own_and_freeze_stills_it_again(dls):
    learn = quiet(classifier_learner(dls.classify, "conv", seed=0))
    learn.unfreeze()
    before = state(learn.model.encoder)
    learn.fit_one_cycle(1, slice(1e-4, 1e-2))
    awake = state(learn.model.encoder)
    assert all(not torch.equal(before[name], awake[name]) for name in before)
    assert len(learn.opt.hypers) == 2
    assert learn.opt.hypers[0]["lr"] < learn.opt.hypers[1]["lr"]
    learn.freeze()
    learn.fit(1, 1e-2, wd=0.5)  # a gradient left over would decay the weights
    assert same(awake, state(learn.model.encoder))


def test_guard_stops_a_fit_in_which_the_frozen_encoder_moved(dls):
    learn = quiet(classifier_learner(dls.classify, "conv", seed=0))
    bias = dict(learn.model.encoder.named_buffers())["1.running_mean"]

    def move(*_):
        bias.add_(1e-6)

    learn.model.head.register_forward_hook(move)
    with pytest.raises(RuntimeError, match=r"frozen encoder changed.*1\.running_mean"):
        learn.fit(1)


def test_training_a_classifier_never_changes_the_autoencoder_it_came_from(dls):
    pretrained = quiet(autoencoder_learner(dls.pretrain, "conv", seed=0))
    before = state(pretrained.model)
    learn = quiet(classifier_learner(dls.classify, pretrained, seed=0))
    learn.unfreeze()
    learn.fit(1, 1e-2)
    assert same(before, state(pretrained.model))


def test_encoder_can_be_given_as_learner_module_or_file(dls, tmp_path):
    pretrained = quiet(autoencoder_learner(dls.pretrain, "conv", seed=3))
    pretrained.fit(1)
    save_encoder(pretrained.encoder, tmp_path / "e.safetensors", method="autoencoder")
    wanted = state(pretrained.encoder)
    for source in (pretrained, pretrained.encoder, tmp_path / "e.safetensors", str(tmp_path / "e.safetensors")):
        assert same(wanted, state(classifier_learner(dls.classify, source).model.encoder))
    assert same(wanted, state(load_encoder(tmp_path / "e.safetensors", method="autoencoder")))


def test_same_seed_gives_pretrained_random_and_supervised_the_same_initial_encoder(dls):
    encoders = [
        autoencoder_learner(dls.pretrain, "original", seed=5).encoder,
        random_encoder(dls.classify, "original", seed=5),
        supervised_learner(dls.classify, "original", seed=5).model.encoder,
    ]
    assert same(state(encoders[0]), state(encoders[1]))
    assert same(state(encoders[0]), state(encoders[2]))
    assert not same(state(encoders[0]), state(random_encoder(dls.classify, "original", seed=6)))


def test_same_seed_gives_bit_identical_training(digits):
    def weights():
        dls = image_dls(digits, unlabelled=0.3, labelled=0.3, seed=1, bs=32, device="cpu")
        torch.manual_seed(0)
        pretrained = quiet(autoencoder_learner(dls.pretrain, "conv", seed=1))
        pretrained.fit(2)
        learn = quiet(classifier_learner(dls.classify, pretrained, seed=1))
        learn.fit(2)
        return state(learn.model)

    assert same(weights(), weights())


def test_macro_f1_accuracy_and_confusion_matrix_agree_with_scikit_learn(dls):
    learn = quiet(classifier_learner(dls.classify, "original", seed=0))
    learn.fit(5, 5e-3)
    scores, true = learn.get_preds(ds_idx=1)
    predicted, true = scores.argmax(1).numpy(), true.numpy()
    _, validated_accuracy, validated_f1 = learn.validate()
    assert validated_accuracy == pytest.approx((predicted == true).mean())
    assert validated_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    ours = ClassificationInterpretation.from_learner(learn).confusion_matrix()
    assert np.array_equal(ours, confusion_matrix(true, predicted, labels=range(10)))


def test_exported_learner_predicts_the_class_name_of_an_image_file(dls, digits, tmp_path):
    learn = quiet(supervised_learner(dls.classify, "conv", seed=0))
    learn.fit(10, 5e-3)
    learn.export(tmp_path / "learner.pkl")
    assert (tmp_path / "learner.pkl").stat().st_size < 3_000_000  # the images stay behind
    loaded = quiet(load_learner(tmp_path / "learner.pkl"))
    Image.fromarray(digits.test.x[0, 0].numpy()).save(tmp_path / "digit.png")
    name, index, probabilities = loaded.predict(tmp_path / "digit.png")
    assert name == digits.classes[int(index)]
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-5)
    direct = learn.get_preds(dl=dls.test)[0][0]
    assert torch.allclose(direct, probabilities, atol=1e-5)


def test_show_results_puts_the_reconstruction_beside_the_input_and_both_classes_over_an_image(dls):
    import matplotlib.pyplot as plt

    quiet(autoencoder_learner(dls.pretrain, "original", seed=0)).show_results(max_n=4)
    titles = [axes.get_title() for axes in plt.gcf().axes]
    assert titles[:4] == ["input", "reconstruction"] * 2
    plt.close("all")
    quiet(classifier_learner(dls.classify, "original", seed=0)).show_results(max_n=4)
    titles = [axes.get_title().split("\n") for axes in plt.gcf().axes[:4]]
    assert all(len(title) == 2 and set(title) <= set("0123456789") for title in titles)
    plt.close("all")


def test_lr_find_suggests_a_rate_and_leaves_the_weights(dls):
    learn = quiet(classifier_learner(dls.classify, "original", seed=0))
    before = state(learn.model)
    assert 0 < learn.lr_find(show_plot=False, num_it=30).valley < 10
    assert same(before, state(learn.model))


@pytest.mark.parametrize("own_decoder", [True, False])
def test_users_own_module_trains_with_a_decoder_of_their_own_or_a_generic_one(dls, own_decoder):
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    decoder = nn.Sequential(nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid())
    decoder = decoder if own_decoder else None
    pretrained = quiet(autoencoder_learner(dls.pretrain, encoder, decoder))
    pretrained.fit(2, 1e-2)
    assert pretrained.recorder.values[1][-1] < pretrained.recorder.values[0][-1]
    learn = quiet(classifier_learner(dls.classify, pretrained))
    before = state(learn.model.encoder)
    learn.fit(1)
    assert same(before, state(learn.model.encoder))


def test_encoder_of_another_image_size_is_refused_in_one_line(dls, tmp_path):
    from sslfast import create_encoder

    save_encoder(create_encoder("original", 3, 32), tmp_path / "e.safetensors")
    with pytest.raises(ConfigError, match="was made for channels 3, these images have 1"):
        classifier_learner(dls.classify, tmp_path / "e.safetensors")


def test_classifier_refuses_loaders_without_classes(dls, digits):
    from sslfast.data.images import ImageData, ImageSet

    one = ImageSet(digits.train.x, digits.train.y * 0, ("only",))
    with pytest.raises(DataError, match="found 1 classes, expected two or more"):
        classifier_learner(image_dls(ImageData("one", one, one, "x"), device="cpu").classify)


def test_ordinary_fastai_image_loaders_work_too(image_folder):
    """A fastai user's own `ImageDataLoaders`: the input is the target, in pixels from 0 to 1."""
    from fastai.data.transforms import Normalize
    from fastai.vision.data import ImageDataLoaders

    root = image_folder(train=8, test=0, unlabelled=0)
    dls = ImageDataLoaders.from_folder(
        root, train="train", valid_pct=0.3, seed=0, bs=8, num_workers=0, device="cpu",
        batch_tfms=Normalize.from_stats([0.3] * 3, [0.4] * 3, cuda=False),
    )  # fmt: skip
    pretrained = quiet(autoencoder_learner(dls, "original", seed=0))
    batch = dls.train.one_batch()
    pretrained.fit(1)
    assert 0 < pretrained.recorder.values[-1][-1] < 1
    learn = quiet(classifier_learner(dls, pretrained, metrics=accuracy))
    learn.fit(1)
    assert learn.get_preds(dl=[batch])[0].shape[1] == len(dls.vocab)


@pytest.mark.parametrize("make", [autoencoder_learner, classifier_learner, supervised_learner])
def test_batches_leave_no_garbage_that_holds_on_to_them(dls, make):
    learn = quiet(make(dls.pretrain if make is autoencoder_learner else dls.classify, "original", seed=0))
    learn.fit(1)
    assert tensors_left_by(learn) == []


def test_finetuning_trains_all_from_the_pretrained_weights_with_the_head_that_the_classifier_has(dls):
    pretrained = quiet(autoencoder_learner(dls.pretrain, "conv", seed=0))
    pretrained.fit(1)
    before = state(pretrained.encoder)
    learn = quiet(finetune_learner(dls.classify, pretrained, seed=0))
    frozen, scratch = (
        classifier_learner(dls.classify, pretrained, seed=0),
        supervised_learner(dls.classify, "conv", seed=0),
    )
    assert same(before, state(learn.model.encoder))
    assert same(state(learn.model.head), state(frozen.model.head))
    assert same(state(learn.model.head), state(scratch.model.head))
    learn.fit(1, slice(1e-3))
    assert [group["lr"] for group in learn.opt.hypers] == pytest.approx([1e-4, 1e-3])
    assert all(not torch.equal(before[name], value) for name, value in state(learn.model.encoder).items())
    assert same(before, state(pretrained.encoder))
