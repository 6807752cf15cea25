"""Class names in any script: fonts of this machine that have their letters, or numbers in place of names."""

import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import matplotlib
from matplotlib import font_manager

from ...errors import printable

__all__ = ["Letters"]

_USUAL = ("Noto Sans", "Source Han Sans", "WenQuanYi", "Arial Unicode", "PingFang", "Hiragino", "Microsoft", "Malgun")
SAID = 5  # names that are told


@dataclass(frozen=True)
class Letters:
    """`classes`: names as they are; `fonts`: families beside matplotlib's own that have their letters; `lacking`: the
    letters that no font here has."""

    classes: tuple[str, ...]
    fonts: tuple[str, ...] = ()
    lacking: frozenset[str] = frozenset()

    @classmethod
    def of(cls, classes: Sequence[str]) -> "Letters":
        """What these names need. Fonts are looked through only if matplotlib's own does not do."""
        letters = {c for name in classes for c in name if c.isprintable() and unicodedata.category(c)[0] != "Z"}
        own = font_manager.fontManager.findfont(font_manager.FontProperties(family=["sans-serif"]))
        missing, fonts = letters - _letters_of(own), []
        for look in (lambda: None, _add_new_fonts):
            if missing:
                look()
            for name, path in _others() if missing else ():
                if not missing:
                    break
                if found := missing & _letters_of(path):
                    fonts.append(name)
                    missing -= found
        return cls(tuple(classes), tuple(fonts), frozenset(missing))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, and numbers of the classes whose names cannot be drawn."""
        return tuple(f"class {i + 1}" if self.lacking & {*name} else name for i, name in enumerate(self.classes))

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Figures that are made and written within use these fonts."""
        with matplotlib.rc_context({"font.family": ["sans-serif", *self.fonts]}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from")  # `said` says it once
            yield

    def said(self) -> dict[str, str]:
        """Which classes go by numbers in pictures, if any: a fact for a reader."""
        named = [f"{new} is {printable(old)}" for old, new in zip(self.classes, self.names, strict=True) if old != new]
        if not named:
            return {}
        some = ", ".join(named[:SAID]) + (", …" if len(named) > SAID else "")
        text = f"in pictures (PNG) {some}: no font here has their letters; install one that does (Noto Sans CJK, say)"
        return {"names of classes": text}


def _add_new_fonts() -> None:
    """Tell matplotlib of fonts that were installed after it made the list that it keeps, as `said` advises."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(OSError, RuntimeError, ValueError):  # a font that cannot be read
            font_manager.fontManager.addfont(path)


def _others() -> list[tuple[str, str]]:
    """Families of upright fonts of this machine and their files, those with many scripts first.

    `Last Resort` has a box for every letter.
    """
    plain = [f for f in font_manager.fontManager.ttflist if f.style == "normal" and not f.name.startswith("Last")]
    by_name = {f.name: f.fname for f in sorted(plain, key=lambda f: (f.name, f.weight != 400, f.fname), reverse=True)}
    return sorted(by_name.items(), key=lambda item: (not item[0].startswith(_USUAL), item[0]))


def _letters_of(path: str) -> set[str]:
    try:
        return {*map(chr, font_manager.get_font(path).get_charmap())}
    except (OSError, RuntimeError, ValueError):  # a font that cannot be read has none
        return set()
