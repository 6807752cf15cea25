"""Files appear whole or not at all, and writers that were killed leave nothing for long."""

import os

import pytest
from killing import kill_this_process, killed

from sslfast.files import replacing


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
