"""A stored state comes back as it was, or not at all."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from killing import in_a_process

from sslfast.errors import RecordError
from sslfast.training.states import read_state, write_state

STATE = {
    "model": {"weight": torch.arange(12.0).view(3, 4), "n": torch.tensor(7), "empty": torch.empty(0, 3)},
    "opt": [{"avg": torch.rand(2, 3).to(torch.bfloat16), "step": 3, "do_wd": False}, {}],
    "flags": torch.tensor([True, False]),
    "rows": [{"loss": 0.1 + 0.2, "missing": None, "big": 2**63 - 1}],
    "words": {"ü": "∑"},
}
ABOUT = {"spec": {"seed": 0, "u": "0.1"}, "epochs": 4}


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


def test_what_was_written_comes_back_bit_for_bit(tmp_path):
    write_state(tmp_path / "s", ABOUT, STATE)
    about, state = read_state(tmp_path / "s")
    assert about == ABOUT
    assert equal(state, STATE)


def test_tensors_that_share_memory_and_those_in_another_layout_come_back(tmp_path):
    x = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    write_state(tmp_path / "s", {}, {"x": x, "same": x, "part": x[0]})
    assert equal(read_state(tmp_path / "s")[1], {"x": x, "same": x, "part": x[0]})


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "s"
    write_state(path, ABOUT, STATE)
    return path, path.read_bytes()


def test_a_process_that_is_killed_as_it_writes_leaves_nothing_that_the_next_does_not_take_away(tmp_path):
    path, large = tmp_path / "s", {"x": torch.rand(3_000_000)}
    start = time.monotonic()
    write_state(path, {}, large)
    seconds, kills = time.monotonic() - start, 30
    for moment in range(kills):
        process = in_a_process(lambda: write_state(path, {}, large))
        process.join(2 * seconds * moment / kills)
        process.kill()
        process.join()
    write_state(path, {}, large)
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


@given(data=st.data())
def test_a_file_with_any_bit_changed_is_an_error_never_another_state(stored, data):
    path, good = stored
    at, bit = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :])
    with pytest.raises(RecordError, match="not a readable checkpoint"):
        read_state(path)


@given(data=st.data())
def test_a_file_that_was_cut_or_grew_is_an_error(stored, data):
    path, good = stored
    path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))] + data.draw(st.sampled_from([b"", b"\0" * 9])))
    with pytest.raises(RecordError, match="not a readable checkpoint"):
        read_state(path)


@given(content=st.binary(max_size=200))
def test_any_other_file_is_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    with pytest.raises(RecordError):
        read_state(path)
