"""bfloat16 inside the networks, float32 outside, and by default only where the processor has it."""

import pytest
import torch
from quiet import quiet

from sslfast import autoencoder_learner, image_dls, supervised_learner
from sslfast.errors import ConfigError
from sslfast.models import AutoEncoder, Classifier, create_decoder, create_encoder, create_head
from sslfast.training.precision import resolve_precision


@pytest.mark.parametrize("name", ["original", "conv"])
def test_results_and_weights_are_float32_and_the_inside_is_bfloat16(name):
    encoder = create_encoder(name, 3, 32)
    inside = []
    encoder[0].register_forward_hook(lambda module, x, out: inside.append(out.dtype))
    models = [AutoEncoder(encoder, create_decoder(encoder), "bfloat16")]
    models.append(Classifier(encoder, create_head(encoder.out_shape, 10), "bfloat16"))
    for model in models:
        out = model(torch.rand(4, 3, 32, 32))
        out.sum().backward()
        assert out.dtype == torch.float32
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
    assert set(inside) == {torch.bfloat16}


@pytest.mark.parametrize("name", ["original", "conv"])
def test_bfloat16_results_lie_near_float32_results(name):
    torch.manual_seed(0)
    encoder = create_encoder(name, 3, 32)
    head = create_head(encoder.out_shape, 10)
    x = torch.rand(64, 3, 32, 32)
    with torch.no_grad():
        exact, rounded = (Classifier(encoder, head, p).eval()(x) for p in ("float32", "bfloat16"))
    assert not torch.equal(exact, rounded)
    assert float((exact - rounded).abs().max()) < 0.03 * float(exact.std() + exact.abs().mean())


def test_autocast_ends_with_the_forward_pass_even_if_it_fails():
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        AutoEncoder(Broken(), Broken(), "bfloat16")(torch.rand(1, 3, 8, 8))
    assert not torch.is_autocast_enabled("cpu")


def test_float32_leaves_an_autocast_around_it_alone():
    encoder = create_encoder("original", 3, 32)
    inside = []
    encoder[0].register_forward_hook(lambda module, x, out: inside.append(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        AutoEncoder(encoder, create_decoder(encoder), "float32")(torch.rand(2, 3, 32, 32))
    assert inside == [torch.bfloat16]


@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("avx512", [True, False])
def test_auto_takes_bfloat16_only_where_a_cpu_has_instructions_for_it(monkeypatch, amx, avx512):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    expected = "bfloat16" if (amx or avx512) and torch.backends.mkldnn.is_available() else "float32"
    assert resolve_precision("auto", "cpu") == expected
    assert resolve_precision("float32", "cpu") == "float32"
    assert resolve_precision("bfloat16", "cpu") == "bfloat16"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")])
def test_auto_on_a_gpu_asks_for_its_capability(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", "cuda") == expected


def test_auto_on_apples_gpu_is_float32():
    assert resolve_precision("auto", "mps") == "float32"


def test_unknown_precision_is_named():
    with pytest.raises(ConfigError, match="precision: found 'half', expected one of auto, float32, bfloat16"):
        resolve_precision("half", "cpu")


def without_dropout(dls, encoder, **kwargs):
    """The baseline, whose scores after a few epochs are otherwise apart by chance more than by precision."""
    return supervised_learner(dls, encoder, dropout=0.0, **kwargs)


@pytest.mark.parametrize(
    ("make", "encoder", "epochs"),
    [
        (autoencoder_learner, "original", 6),
        (without_dropout, "original", 12),
        # minutes, where a processor only emulates bfloat16
        pytest.param(autoencoder_learner, "conv", 12, marks=pytest.mark.long),
        pytest.param(without_dropout, "conv", 12, marks=pytest.mark.long),
    ],
)
def test_learners_train_in_either_precision_to_the_same_score_within_noise(digits, make, encoder, epochs):
    scores = []
    for precision in ("float32", "bfloat16"):
        dls = image_dls(digits, unlabelled=0.5, labelled=0.5, seed=0, bs=32, device="cpu")
        part = dls.pretrain if make is autoencoder_learner else dls.classify
        learn = make(part, encoder, seed=0, precision=precision)
        quiet(learn)
        learn.fit(epochs, 5e-3)
        scores.append(learn.recorder.values[-1][-1])
    assert scores[1] == pytest.approx(scores[0], abs=0.05)
