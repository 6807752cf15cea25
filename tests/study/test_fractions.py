"""Fractions as people write them, and how many images they are."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslfast.errors import ConfigError
from sslfast.study import fractions

hundredths = st.integers(0, 100)
some_floats = st.just(0.0) | st.floats(1e-12, 1)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (0.1, "0.1"), (".1", "0.1"), ("0.10", "0.1"), ("1e-1", "0.1"), (" 0.1 ", "0.1"), (Decimal("0.100"), "0.1"),
        (np.float64(0.1), "0.1"), (np.float32(0.1), "0.1"),
        (1, "1"), (1.0, "1"), ("1", "1"), ("1.000", "1"), (np.int64(1), "1"), ("1e0", "1"),
        (0, "0"), (0.0, "0"), ("0", "0"), ("0.00", "0"), ("0e5", "0"),
        (0.05, "0.05"), (1e-5, "0.00001"), ("10e-2", "0.1"),
    ],
)  # fmt: skip
def test_one_fraction_has_one_name_however_it_is_written(written, canonical):
    assert fractions.canonical(written) == canonical


@pytest.mark.parametrize("written", [-0.0, "-0", "-0.00"])
def test_minus_zero_is_zero(written):
    assert fractions.canonical(written) == "0"


@given(some_floats)
def test_a_canonical_fraction_is_the_same_number_and_its_own_name(value):
    text = fractions.canonical(value)
    assert float(text) == value
    assert fractions.canonical(text) == text
    assert fractions.canonical(f"{text}0" if "." in text else f"{text}.0") == text


@given(some_floats)
def test_a_canonical_fraction_is_fit_for_a_file_name(value):
    text = fractions.canonical(value)
    assert set(text) <= set("0123456789.")
    assert text in ("0", "1") or (text.startswith("0.") and not text.endswith("0"))


@pytest.mark.parametrize("bad", [-0.1, 1.01, 10, "2", "1.0000001", -1e-9])
def test_numbers_outside_0_to_1_are_refused_with_their_key(bad):
    with pytest.raises(ConfigError, match=r"labelled: found .*expected a fraction from 0 to 1"):
        fractions.canonical(bad, "labelled")


@pytest.mark.parametrize("bad", ["a tenth", "", None, True, False, "nan", float("nan"), "inf", [0.1], "1/10"])
def test_what_is_no_number_is_refused_with_its_key(bad):
    with pytest.raises(ConfigError, match=r"labelled: found .*expected a number from 0 to 1"):
        fractions.canonical(bad, "labelled")


@pytest.mark.parametrize(
    "bad", ["1e-31", "1e-99999999999999", "0." + "3" * 1000, 1e-300], ids=lambda bad: str(bad)[:12]
)
def test_a_fraction_of_more_decimals_than_a_file_name_takes_is_refused(bad):
    with pytest.raises(ConfigError, match=r"labelled: found .*expected a fraction of at most 30 decimals") as caught:
        fractions.canonical(bad, "labelled")
    assert len(str(caught.value)) < 200


def test_further_zeros_are_no_decimals():
    assert fractions.canonical("0.1" + "0" * 1000) == "0.1"


def test_a_percentage_is_refused_with_how_to_write_it():
    with pytest.raises(ConfigError, match=r"found '10%'.*write 10 % as 0\.1"):
        fractions.canonical("10%")


@given(st.lists(hundredths, unique=True))
def test_a_list_is_sorted_by_size_not_by_spelling(percents):
    assert fractions.canonical_list([p / 100 for p in percents], "u") == [
        fractions.canonical(p / 100) for p in sorted(percents)
    ]


@pytest.mark.parametrize("twice", [[0.1, ".10"], [1, 1.0], ["0", 0.0], [0.5, 0.2, 0.50]], ids=str)
def test_the_same_fraction_twice_is_refused_by_both_spellings(twice):
    with pytest.raises(ConfigError, match=rf"u: .*{twice[-1]} are the same fraction"):
        fractions.canonical_list(twice, "u")


@given(hundredths, st.integers(0, 10**6))
def test_a_count_is_the_nearest_whole_number_and_a_half_goes_up(percent, n):
    exact = Fraction(percent, 100) * n
    found = fractions.count(percent / 100, n)
    assert -Fraction(1, 2) < found - exact <= Fraction(1, 2)


@given(some_floats, some_floats, st.integers(0, 10**6))
def test_a_larger_fraction_is_never_fewer_and_never_more_than_all(f, g, n):
    small, large = sorted((f, g))
    assert 0 <= fractions.count(small, n) <= fractions.count(large, n) <= n


@pytest.mark.parametrize(
    ("fraction", "n", "count"), [(0.5, 5, 3), (0.1, 5, 1), (0.29, 100, 29), (0.07, 100, 7), (1, 7, 7), (0, 7, 0)]
)
def test_counts_do_not_suffer_from_binary_floating_point(fraction, n, count):
    assert fractions.count(fraction, n) == fractions.count(str(fraction), n) == count
