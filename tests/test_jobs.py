"""A job ends with one line on stderr that says what to do, and leaves what it printed in its log."""

import subprocess
import sys
from pathlib import Path

import pytest
from hostile import is_one_line


def run(log: Path, code: str) -> subprocess.CompletedProcess:
    program = f"from sslfast.jobs import job\nwith job({str(log)!r}):\n    {code}"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, errors="replace", check=False
    )


def test_a_job_that_ends_well_says_nothing_but_in_its_log(tmp_path):
    done = run(tmp_path / "log", "print('epoch 1')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "log").read_text() == "epoch 1\n"


ENDS = {  # what happens: (code, what the line says, whether it sends a reader to the traceback)
    "an error that a user can mend": ("import sslfast.errors as e; raise e.DataError('a\\nb')", "error: a b", False),
    "a full disk": ("raise OSError(28, 'No space left on device', '/x/y')", "error: /x/y: no space left on the", False),
    "a quota": ("raise OSError(122, 'Disk quota exceeded')", "error: no space left on the disk; make room", False),
    "a short write of numpy's": ("raise OSError('8192 requested and 4096 written')", "error: no space left", False),
    "a read-only folder": ("raise OSError(30, 'Read-only file system', 'x')", "error: x: not allowed to write", False),
    "somebody else's file": ("raise OSError(13, 'Permission denied', 'x')", "error: x: not allowed to write", False),
    "no memory": ("raise MemoryError('Unable to allocate 1.00 TiB')", "error: out of memory ('Unable", False),
    "torch without memory": ("raise RuntimeError(\"CPUAllocator: can't allocate memory\")", "out of memory", False),
    "a GPU without memory": ("raise RuntimeError('CUDA out of memory. Tried\\nto allocate')", "batch_size", False),
    "a name that is no UTF-8": ("print('\\udcff'); raise ValueError('\\udcff\\x1b[3m')", r"Error: \udcff\x1b[3m", True),
    "anything else": ("{}['key']", "error: KeyError: 'key' (traceback in", True),
}  # fmt: skip


@pytest.mark.parametrize("code, expected, traced", ENDS.values(), ids=ENDS)
def test_a_job_that_fails_says_so_in_one_line(tmp_path, code, expected, traced):
    done = run(tmp_path / "log", code)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert is_one_line(done.stderr.removesuffix("\n"))
    assert expected in done.stderr
    assert ("(traceback in" in done.stderr) == traced
    assert "Traceback" in (tmp_path / "log").read_text()
