"""What users were handed by others, or by an accident: names that are commands, files that are damaged."""

import os
import pickle
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast.errors import SslfastError, printable

NAMES = [  # of files and folders; each of them a name that Linux allows
    "..png", "...", "a b", " a", "a ", "-rf", "--help", "$(touch pwned)", "`touch pwned`", "; touch pwned", "'", '"',
    "a'b\"c", "<script>alert(1)<", "&amp;", "=cmd('calc')", "+1+1", "-1+1", "@SUM(A1)", "{wildcard}", "%s%n", "$x^2$",
    "$\\frac$", "a\nb", "a\tb", "\r", "\x1b[31mred", "\x07", "a\\b", "*", "?", "[a]", "~", "~root", "|", "#", ":",
    "\u202egnp.exe", "\u200f", "e\u0301", "\u00e9", "😀", "語", "\x7f", b"\xff\xfe".decode("utf-8", "surrogateescape"),
    "CON", "x" * 200, "語" * 66, "test", "train", "unlabelled", "null", "0", "1e5", "True", "nan", "a,b", "a;b", "a|b",
]  # fmt: skip


def trying(few: int, many: int):
    """`n`, how many inputs to try: `few` in every run of the tests, `many` in long ones."""
    return pytest.mark.parametrize("n", [few, pytest.param(many, marks=pytest.mark.long)])


def try_all(n: int, holds: Callable, *strategies: st.SearchStrategy) -> None:
    """Call `holds` with `n` different draws of `strategies`; say how many there were, and what `holds` returned."""
    tried = Counter()

    @settings(max_examples=n)
    @given(st.tuples(*strategies))
    def run(drawn):
        tried[holds(*drawn)] += 1

    run()
    print(f"{tried.total()} inputs tried: {dict(tried)}")


def is_one_line(error: SslfastError | str) -> bool:
    """Whether a message is one line, not empty, that a terminal shows and does not obey."""
    text = str(error)
    return bool(text) and len(text.splitlines()) == 1 and text == printable(text) and "Traceback" not in text


class Disk:
    """A small file system of its own, which a file called ballast fills."""

    def __init__(self, path: Path):
        self.path, self.ballast = path, path / "ballast"

    @classmethod
    @contextmanager
    def of(cls, path: Path, size: str) -> Iterator["Disk"]:
        """A disk of `size` at `path` while the block runs; the test is skipped where none may be mounted."""
        path.mkdir()
        disk = cls(path)
        try:
            disk.mount("-t", "tmpfs", "-o", f"size={size}")
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a small disk takes the right to mount one")
        try:
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", str(path)], check=True)

    def fill(self, leaving: int = 0) -> None:
        """Leave about so many bytes free."""
        with pytest.raises(OSError, match="No space left"), self.ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        os.truncate(self.ballast, self.ballast.stat().st_size - leaving)

    def empty(self) -> None:
        self.ballast.unlink()

    def mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, "tmpfs", str(self.path)], check=True, capture_output=True)

    def content(self) -> dict[str, bytes]:
        files = (path for path in self.path.rglob("*") if path.is_file() and path != self.ballast)
        return {str(path.relative_to(self.path)): path.read_bytes() for path in files}


class Trap:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def trap(path: Path) -> bytes:
    """A pickle that makes `path` where anybody loads it."""
    return pickle.dumps(Trap(path))


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """`whole` after one to three accidents: cut, bits turned, a piece lost, doubled, zeroed or put in."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        if not found:
            break
        start = draw(st.integers(0, len(found) - 1))
        end = min(len(found), start + draw(st.sampled_from([1, 2, 8, 100, 4096])))
        match draw(st.sampled_from(["cut", "turn", "lose", "double", "zero", "put"])):
            case "cut":
                del found[start:]
            case "turn":
                found[start] ^= draw(st.integers(1, 255))
            case "lose":
                del found[start:end]
            case "double":
                found[start:start] = found[start:end]
            case "zero":
                found[start:end] = bytes(end - start)
            case "put":
                found[start:start] = draw(st.binary(min_size=1, max_size=8))
    return bytes(found)
