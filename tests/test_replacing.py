"""Files appear whole or not at all, and writers that were killed leave nothing for long."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from killing import kill_this_process, killed

from sslfast.files import CHECKSUM, put_in_place, replacing, verify
from sslfast.training.states import write_state


def write(path, text="text"):
    with replacing(path) as scratch:
        scratch.write_text(text)


def test_an_error_leaves_what_was_there_and_no_scratch_file(tmp_path):
    write(tmp_path / "a.json", "old")
    with pytest.raises(ValueError, match="broken"), replacing(tmp_path / "a.json") as scratch:
        scratch.write_text("half")
        raise ValueError("broken")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


def test_a_killed_writer_leaves_what_was_there_and_the_next_one_clears_up(tmp_path, monkeypatch):
    write(tmp_path / "a.json", "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill_this_process)
        for _ in range(3):
            assert killed(lambda: write(tmp_path / "a.json", "new"))
    assert (tmp_path / "a.json").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2  # the second cleared up after the first, the third after the second
    write(tmp_path / "a.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_scratch_files_of_living_writers_and_of_other_files_stay(tmp_path):
    with replacing(tmp_path / "a.json") as living, replacing(tmp_path / "a.b.json") as other:
        living.write_text("living")
        other.write_text("other")
        (tmp_path / ".a.json.swp").touch()
        pid = os.fork()
        if not pid:
            write(tmp_path / "a.json", "theirs")
            os._exit(0)
        os.waitpid(pid, 0)
        assert living.exists()
        assert other.exists()
    assert (tmp_path / "a.json").read_text() == "living"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.json.swp", "a.b.json", "a.json"]


# ── power failures ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def calls(monkeypatch):
    """What is synced, by name, and what is renamed, in order. The disk itself is left in peace."""
    found = []
    rename = os.replace

    def sync(handle):
        found.append(f"sync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")

    def replace(old, new):
        found.append(f"{Path(new).name} appears")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    return found


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_writer_goes_on(tmp_path, calls):
    scratch = []
    with replacing(tmp_path / "a.json") as path:
        path.write_text("text")
        scratch.append(path.name)
    assert calls == [f"sync {scratch[0]}", "a.json appears", f"sync {tmp_path.name}"]


def test_what_need_not_last_waits_for_no_disk(tmp_path, calls):
    with replacing(tmp_path / "checkpoint", lasting=False) as path:
        path.write_text("text")
    write_state(tmp_path / "state", {}, {"epoch": 1})
    assert calls == ["checkpoint appears", "state appears"]


def test_a_folder_appears_when_all_that_it_holds_is_on_the_disk(tmp_path, calls):
    (tmp_path / "scratch").mkdir()
    for name in ("one", "two"):
        (tmp_path / "scratch" / name).write_text(name)
    put_in_place(tmp_path / "scratch", tmp_path / "whole")
    assert sorted(calls[:2]) == ["sync one", "sync two"]
    assert calls[2:] == ["sync scratch", "whole appears", f"sync {tmp_path.name}"]


def test_folders_that_a_file_needs_last_as_it_does(tmp_path, calls):
    write(tmp_path / "a" / "b" / "c.json")
    assert calls[:2] == [f"sync {tmp_path.name}", "sync a"]
    assert calls[-2:] == ["c.json appears", "sync b"]


# ── checksums ───────────────────────────────────────────────────────────────────────────────────


def write_checked(path, before: bytes, after: bytes) -> bytes:
    with replacing(path, checksum=True) as scratch:
        scratch.write_bytes(before + CHECKSUM.encode() + after)
    return path.read_bytes()


@given(before=st.binary(max_size=60), after=st.binary(max_size=60), data=st.data())
def test_a_file_is_as_it_was_written_unless_a_bit_of_it_changed(tmp_path_factory, before, after, data):
    path = tmp_path_factory.getbasetemp() / "checked"
    whole = write_checked(path, before, after)
    assert verify(path)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    path.write_bytes(bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(whole)))
    with pytest.raises(ValueError, match="has changed since it was written"):
        verify(path)


def test_what_somebody_called_like_a_checksum_is_content(tmp_path):
    write_checked(tmp_path / "a", f"a class called {CHECKSUM}, or {CHECKSUM[:20]}".encode(), b"the end")
    assert verify(tmp_path / "a")


def test_a_file_that_is_older_than_checksums_is_not_checked(tmp_path):
    write(tmp_path / "a", "text")
    assert not verify(tmp_path / "a")
