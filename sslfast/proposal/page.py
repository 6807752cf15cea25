"""A proposed config as text: YAML with its reasons as comments."""

import textwrap
from collections.abc import Mapping, Sequence

import yaml

from ..errors import printable
from .choices import Choice

__all__ = ["as_yaml"]

WIDTH, COLUMN = 120, 36  # of a line; where its comment begins
FIRST = ("image_size", "unlabelled", "encoders")  # keys before which a line is left empty


def as_yaml(choices: Mapping[str, Choice], head: Sequence[str]) -> str:
    """The config's text: `head` as comments, then the keys, each with its reason."""
    lines = [f"# {part}" for line in head for part in _wrapped(printable(line))]
    for choice in choices.values():
        if choice.key in FIRST:
            lines.append("")
        line = f"{choice.key}: {_flow(choice.value)}"
        why = printable(choice.why)
        if not why:
            lines.append(line)
        elif len(line) < COLUMN and COLUMN + 2 + len(why) <= WIDTH:
            lines.append(f"{line:<{COLUMN}}# {why}")
        else:
            lines += [f"# {part}" for part in _wrapped(f"{choice.key}: {why}")] + [line]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    """`text` in lines of comments; a command, which is indented, stays whole."""
    if text.startswith(" "):
        return [text]
    return textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)


def _flow(value: object) -> str:
    """A value on one line, as YAML has it."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
