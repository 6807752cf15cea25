"""How long jobs take side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslfast.planning.schedule import wall_clock

CHAIN = {"a": [], "b": ["a"], "c": ["b"]}
CASES = {  # seconds, needs, slots, wall-clock
    "one after the other": ({"a": 3, "b": 4, "c": 5}, {}, 1, 12),
    "all at once": ({"a": 3, "b": 4, "c": 5}, {}, 3, 5),
    "two at once, the longest first": ({"a": 3, "b": 4, "c": 5}, {}, 2, 7),
    "a chain takes what it takes": ({"a": 3, "b": 4, "c": 5}, CHAIN, 8, 12),
    "beside a chain there is room": ({"a": 3, "b": 4, "c": 5, "d": 12}, CHAIN, 2, 12),
    "what leads to most begins first": ({"a": 2, "b": 10, "c": 3, "d": 3}, {"b": ["a"]}, 2, 12),
    "two must wait for one": ({"a": 2, "b": 3, "c": 4}, {"b": ["a"], "c": ["a"]}, 2, 6),
    "what is done already is not waited for": ({"b": 4, "c": 5}, CHAIN, 2, 9),
    "nothing to do": ({}, {}, 4, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_a_person_works_out(case):
    seconds, needs, slots, expected = CASES[case]
    assert wall_clock(seconds, needs, slots) == pytest.approx(expected)


@st.composite
def studies(draw):
    """Jobs with whole seconds, each of which may need some of those before it."""
    n = draw(st.integers(1, 12))
    seconds = {str(i): draw(st.integers(1, 20)) for i in range(n)}
    needs = {str(i): [str(k) for k in draw(st.sets(st.integers(0, i - 1), max_size=3))] for i in range(1, n)}
    return seconds, needs


@given(studies())
def test_more_at_once_never_take_longer_and_no_bound_is_broken(study):
    seconds, needs = study
    found = [wall_clock(seconds, needs, slots) for slots in range(1, 15)]
    assert found == sorted(found, reverse=True)
    assert found[0] == sum(seconds.values())
    longest = {}
    for job in seconds:
        longest[job] = seconds[job] + max((longest[name] for name in needs.get(job, [])), default=0)
    assert found[-1] == max(longest.values())
    for slots, took in enumerate(found, 1):
        whole, chain = sum(seconds.values()), max(longest.values())
        assert max(whole / slots, chain) - 1e-9 <= took <= whole / slots + (1 - 1 / slots) * chain + 1e-9


def test_more_slots_do_not_lengthen_a_schedule_that_graham_showed_to_grow():
    """Graham 1969: greedily in the order of this list, nine jobs take 12 on three machines and 15 on four."""
    seconds = dict(zip("123456789", (3, 2, 2, 2, 4, 4, 4, 4, 9), strict=True))
    needs = {"9": ["1"], **{job: ["4"] for job in "5678"}}
    assert wall_clock(seconds, needs, 4) <= wall_clock(seconds, needs, 3)


def test_jobs_that_need_each_other_are_an_error():
    with pytest.raises(ValueError, match="in a circle"):
        wall_clock({"a": 1, "b": 1}, {"a": ["b"], "b": ["a"]}, 2)


def test_no_slot_is_an_error():
    with pytest.raises(ValueError, match="slots: found 0"):
        wall_clock({"a": 1}, {}, 0)
