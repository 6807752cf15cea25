"""Names of encoders: one for each, fit for file names, and checked without torch."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslfast.errors import ConfigError, SslfastError
from sslfast.study.encoder_names import EncoderName, check_encoder, encoders

TEXTS = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"\A(conv|original|resnet18|timm|x)?[_.\-/]?x?[0-9.]{0,6}[a-z_.\-]{0,5}\Z"),
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("original", EncoderName("original")),
        ("conv", EncoderName("conv")),
        ("resnet18", EncoderName("resnet18")),
        ("conv_x2", EncoderName("conv", 2.0)),
        ("original_x0.5", EncoderName("original", 0.5)),
        ("conv_x16", EncoderName("conv", 16.0)),
        ("timm.resnet10t", EncoderName("timm", model="resnet10t")),
        ("timm.vit_tiny_patch16_224", EncoderName("timm", model="vit_tiny_patch16_224")),
        ("my_nets.Small", EncoderName("own", model="my_nets.Small")),
    ],
)
def test_a_name_is_read_in_its_parts(name, parts):
    assert check_encoder(name) == parts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv_x1", "expected it as conv "),
        ("original_x1.0", "expected it as original "),
        ("conv_x2.0", "expected it as conv_x2 "),
        ("conv_x02", "expected it as conv_x2 "),
        ("original_x0.50", "expected it as original_x0.5 "),
        ("conv_x0", "expected a width from 0.1 to 16"),
        ("conv_x17", "expected a width from 0.1 to 16"),
        ("resnet18_x2", "only conv and original and vit have a width; use resnet18"),
        ("Conv", "expected one of conv, original, resnet18"),
        (
            "conv_2",
            "conv, original, resnet18, vit, a width as in conv_x2 or original_x2 or vit_x2, timm.<model>",
        ),
        ("conv-x2", "expected one of"),
        ("vgg_x2", "expected one of"),
        ("", "expected one of"),
        (3, "found 3, expected one of"),
        (None, "found None, expected one of"),
        ("timm.", "letters, digits and _ after timm."),
        ("timm.a-b", "letters, digits and _ after timm."),
        ("timm.hf-hub:somebody/something", "letters, digits and _ after timm."),
        ("timm.../etc", "letters, digits and _ after timm."),
        ("timm.resnet10t.c3_in1k", "expected timm.resnet10t: "),
    ],
)
def test_any_other_name_is_an_error_that_says_the_right_one(name, expected):
    with pytest.raises(ConfigError) as caught:
        check_encoder(name)
    assert str(caught.value).startswith("encoders: found ")
    assert expected in str(caught.value)


@given(TEXTS)
def test_a_name_can_stand_between_dashes_in_the_name_of_a_file(text):
    try:
        parts = check_encoder(text)
    except SslfastError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert text.isascii()
    assert not set(text) & set("-/\\ {}*")
    assert parts.base in (*encoders(), "timm", "own")


@given(st.sampled_from(["conv", "original"]), st.integers(100, 16_000).map(lambda n: n / 1000))
def test_one_encoder_has_one_name(base, width):
    name = base if width == 1 else f"{base}_x{width:g}"
    assert check_encoder(name).width == pytest.approx(width, rel=1e-5)
    for other in (f"{base}_x{width:.5f}", f"{base}_x0{width:g}", f"{base}_x{width:g}.0"):
        if other != name:
            with pytest.raises(ConfigError):
                check_encoder(other)


def test_checking_a_name_imports_neither_torch_nor_timm():
    code = (
        "import sys; from sslfast.study.encoder_names import check_encoder; check_encoder('timm.resnet10t');"
        "assert not {'torch', 'timm', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
