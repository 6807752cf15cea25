"""What users were handed by others, or by an accident: names that are commands, files that are damaged."""

import pickle
from collections import Counter
from collections.abc import Callable
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
