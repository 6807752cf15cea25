"""Encoders on disk: whole and as they were, or an error."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from sslfast.errors import RecordError, SslfastError
from sslfast.models import as_encoder, create_encoder, load_encoder, read_spec, save_encoder
from sslfast.study.encoder_names import encoders

NAMES = sorted({*encoders()} - {"resnet18"})  # which is tried below: its files are large


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "encoders" / "autoencoder-u0.5-s0.safetensors"


@pytest.fixture
def stored(path) -> Path:
    save_encoder(as_encoder("conv", (1, 8, 8), seed=0), path, method="autoencoder", u="0.5", seed=0)
    return path


def contents(path: Path) -> tuple[dict, dict]:
    """Weights and metadata, without the checksum, which they would be of no longer once they are changed."""
    with safe_open(path, framework="pt") as file:
        spec = json.loads(file.metadata()["sslfast"])
        del spec["checksum"]
        return {name: file.get_tensor(name) for name in file.keys()}, {"sslfast": json.dumps(spec)}  # noqa: SIM118


# ── as they were ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(size=st.integers(8, 64), channels=st.sampled_from([1, 3]), seed=st.integers(0, 2**31 - 1))
def test_weights_and_statistics_come_back_bit_for_bit(path, name, size, channels, seed):
    encoder = as_encoder(name, (channels, size, size), seed).train()
    encoder(torch.randn(3, channels, size, size))  # moves the statistics of BatchNorm
    save_encoder(encoder, path)
    found = load_encoder(path)
    assert type(found) is type(encoder)
    assert (found.channels, found.image_size, found.out_shape) == (channels, size, encoder.out_shape)
    before, after = encoder.state_dict(), found.state_dict()
    assert list(before) == list(after)
    for key, tensor in before.items():
        assert after[key].dtype == tensor.dtype
        assert torch.equal(after[key], tensor)


@pytest.mark.parametrize("name", ["resnet18", "conv_x2", "original_x0.5"])
def test_encoders_of_every_kind_of_name_come_back_under_it(path, name):
    encoder = as_encoder(name, (3, 16, 16), seed=0)
    save_encoder(encoder, path)
    found = load_encoder(path, encoder=name)
    assert (found.name, found.out_shape) == (name, encoder.out_shape)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(found.eval()(x), encoder.eval()(x))


def test_a_width_that_is_no_name_is_refused_by_the_file(stored):
    weights, metadata = contents(stored)
    spec = {**json.loads(metadata["sslfast"]), "encoder": "conv_x1"}
    save_file(weights, stored, metadata={"sslfast": json.dumps(spec)})
    with pytest.raises(RecordError, match=r"u0\.5-s0\.safetensors: .*expected it as conv"):
        load_encoder(stored)


def test_weights_that_are_no_ordinary_numbers_come_back_too(path):
    encoder = create_encoder("original", 1, 8)
    with torch.no_grad():
        encoder[0].bias[:3] = torch.tensor([float("inf"), -0.0, float("nan")])
    save_encoder(encoder, path)
    found = load_encoder(path)[0].bias
    assert torch.equal(found.view(torch.int32), encoder[0].bias.view(torch.int32))


def test_weights_in_channels_last_layout_come_back(path):
    encoder = create_encoder("conv", 3, 16).to(memory_format=torch.channels_last)
    save_encoder(encoder, path)
    assert torch.equal(load_encoder(path)[0].weight, encoder[0].weight)


def test_a_stored_encoder_says_what_it_is(stored):
    assert read_spec(stored) == {
        "encoder": "conv",
        "channels": 1,
        "image_size": 8,
        "method": "autoencoder",
        "u": "0.5",
        "seed": 0,
    }


def test_a_path_may_be_a_text(stored):
    assert torch.equal(load_encoder(str(stored))[0].weight, load_encoder(stored)[0].weight)


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(stored):
    other = as_encoder("conv", (1, 8, 8), seed=1)
    save_encoder(other, stored)
    assert torch.equal(load_encoder(stored)[0].weight, other[0].weight)
    assert list(stored.parent.iterdir()) == [stored]


def test_who_may_read_other_files_may_read_encoders(stored):
    other = stored.with_name("other")
    other.touch()
    assert stored.stat().st_mode == other.stat().st_mode


def test_as_encoder_reads_a_file_and_checks_it_against_the_images(stored):
    assert torch.equal(as_encoder(stored, (1, 8, 8))[0].weight, load_encoder(stored)[0].weight)
    with pytest.raises(SslfastError, match="image_size 8, these images have 32"):
        as_encoder(str(stored), (1, 32, 32))


# ── or an error ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "expected", [{"encoder": "original"}, {"image_size": 32}, {"seed": 1}, {"u": "0.1"}, {"study": "mine"}], ids=str
)
def test_another_spec_than_expected_is_refused_by_its_key(stored, expected):
    ((key, value),) = expected.items()
    with pytest.raises(RecordError, match=rf"u0\.5-s0\.safetensors: {key} is .*expected {value!r}"):
        load_encoder(stored, **expected)


def test_the_spec_that_was_stored_is_accepted(stored):
    assert load_encoder(stored, encoder="conv", method="autoencoder", u="0.5", seed=0).name == "conv"


def missing(weights: dict) -> None:
    del weights["0.weight"]


def added(weights: dict) -> None:
    weights["head.weight"] = torch.zeros(3)


def renamed(weights: dict) -> None:
    weights["model.0.weight"] = weights.pop("0.weight")


def reshaped(weights: dict) -> None:
    weights["0.weight"] = weights["0.weight"].reshape(-1)


@pytest.mark.parametrize("change", [missing, added, renamed, reshaped])
def test_weights_that_do_not_fit_are_refused_by_name(stored, change):
    weights, metadata = contents(stored)
    change(weights)
    save_file(weights, stored, metadata=metadata)
    with pytest.raises(RecordError, match=r"do not fit the architecture in its header \(.*weight\)"):
        load_encoder(stored)


def test_weights_of_another_architecture_are_refused(stored):
    weights, metadata = contents(stored)
    spec = {**json.loads(metadata["sslfast"]), "encoder": "original"}
    save_file(weights, stored, metadata={"sslfast": json.dumps(spec)})
    with pytest.raises(RecordError, match="do not fit"):
        load_encoder(stored)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(stored, share):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RecordError, match=r"u0\.5-s0\.safetensors: not an encoder written by save_encoder"):
        load_encoder(stored)


class Trap:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "write", [lambda x, path: path.write_bytes(pickle.dumps(x)), torch.save], ids=["pickle", "torch"]
)
def test_a_pickle_is_refused_and_never_opened(path, tmp_path, write):
    path.parent.mkdir()
    write(Trap(tmp_path / "sprung"), path)
    with pytest.raises(RecordError, match="not an encoder written by save_encoder"):
        load_encoder(path)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_is_named(path):
    with pytest.raises(RecordError, match=r"u0\.5-s0\.safetensors: no such file"):
        load_encoder(path)


def test_a_folder_in_place_of_the_file_is_refused(path):
    path.mkdir(parents=True)
    with pytest.raises(RecordError, match=r"u0\.5-s0\.safetensors: not an encoder"):
        load_encoder(path)


def test_safetensors_of_somebody_else_are_refused(path):
    path.parent.mkdir()
    save_file(create_encoder("conv", 1, 8).state_dict(), path)
    with pytest.raises(RecordError, match="not an encoder written by save_encoder"):
        load_encoder(path)


@pytest.mark.parametrize(
    "spec",
    ["{}", "[]", "not json", '{"encoder": "resnet", "channels": 1, "image_size": 8}', '{"encoder": "conv"}'],
)
def test_a_header_that_describes_no_known_encoder_is_refused_by_the_name_of_the_file(stored, spec):
    weights, metadata = contents(stored)
    save_file(
        weights, stored, metadata={**metadata, "sslfast": spec.replace("{", '{"format": "sslfast-encoder-1", ', 1)}
    )
    with pytest.raises(RecordError, match=r"u0\.5-s0\.safetensors"):
        load_encoder(stored)
