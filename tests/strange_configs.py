"""Configs as people, programs and enemies may write them, and text that is nearly YAML: for tests that try many."""

import datetime
import math
from pathlib import Path

import yaml
from hostile import NAMES
from hypothesis import strategies as st

from sslfast.study.config import read_schema

ROOT = Path(__file__).parents[1]
SCHEMA = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
VALID = [
    {"dataset": "digits", "unlabelled": [0, 0.1, 1], "labelled": [0.05, 0.2]},
    {"dataset": "folder", "folder": "somewhere", "unlabelled": [0.1], "labelled": [1], "seeds": [3], "pool": "rest"},
    *(yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "config").glob("*.yaml"))),
]
PATHS = [(key,) for key in SCHEMA["properties"]]
PATHS += [(key, inner) for key, entry in SCHEMA["properties"].items() for inner in entry.get("properties", {})]

NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([10**400, 2**63, 2**53 + 1, 1e308, -0.0, 5e-324, math.nan, math.inf, 0.1 + 0.2, 1e-7])
    | st.sampled_from([1024, 70000]).map(lambda bits: -(2**bits))  # numbers that Python does not print
)
WORDS = st.text(max_size=8) | st.sampled_from(
    [*NAMES, "1e-3", "10%", "nan", "-inf", "1e999", "1e-99999999999999", "1_0", "0x10", ".5", "٠.١", "0." + "1" * 5000]
)
DATES = st.dates() | st.datetimes() | st.sampled_from([datetime.timedelta(1), datetime.UTC])
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS | DATES | st.binary(max_size=4)
KEYS = st.sampled_from([name for path in PATHS for name in path]) | WORDS | NUMBERS | st.none() | st.booleans() | DATES
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.sets(SCALARS, max_size=2),
    max_leaves=6,
)


def deep(levels: int):
    found = 0.1
    for level in range(levels):
        found = [found] if level % 2 else {"noise": found}
    return found


def endless() -> list:
    found = [0.1]
    found.append(found)
    return found


MONSTERS = st.sampled_from(  # made when drawn: hypothesis could not print them
    [
        lambda: deep(4),
        lambda: deep(500),
        lambda: deep(5000),
        endless,
        lambda: [0.5] * 5000,
        lambda: list(range(5000)),
        lambda: "x" * 10**6,
    ]
).map(lambda make: make())
YAML = st.lists(
    st.sampled_from([*"[]{}?|>'\n", ": ", "- ", "  ", "&a ", "*a", "!!binary ", "!!set ", "<<"])
    | st.sampled_from([name for path in PATHS for name in path])
    | WORDS,
    max_size=12,
).map("".join)  # fmt: skip


def sensible(path: tuple[str, ...]) -> st.SearchStrategy:
    """Values of the kind that the key at `path` takes, some of them out of bounds."""
    entry = SCHEMA["properties"][path[0]]
    entry = entry["properties"][path[1]] if len(path) > 1 else entry
    kinds = str(entry.get("type"))
    if "enum" in entry:
        return st.sampled_from(entry["enum"])
    if "array" in kinds:
        items = entry.get("items", {})
        choices = st.sampled_from(items["enum"]) if "enum" in items else st.floats(0, 1).map(lambda f: round(f, 3))
        return st.lists(st.integers(0, 9) if "integer" in kinds else choices, min_size=1, max_size=4, unique=True)
    if "object" in kinds:
        return st.just({})
    if "string" in kinds:
        return st.text("abc xyz-_.", min_size=1, max_size=8)
    return st.integers(1, 600) if "integer" in kinds else st.floats(0, 1) | st.floats(0, 1).map(str)


@st.composite
def configs(draw):
    """A valid config after one to four changes; now and then anything at all."""
    mildly = draw(st.booleans())
    if not mildly and draw(st.integers(0, 4)) == 0:
        return draw(ANYTHING | st.dictionaries(KEYS, ANYTHING, max_size=6))
    config = {key: dict(v) if isinstance(v, dict) else v for key, v in draw(st.sampled_from(VALID)).items()}
    for _ in range(draw(st.integers(1, 4))):
        if mildly:
            *outer, last = path = draw(st.sampled_from(PATHS))
            (config.setdefault(outer[0], {}) if outer else config)[last] = draw(sensible(path))
            continue
        *outer, last = draw(st.sampled_from(PATHS) | st.tuples(KEYS) | st.tuples(KEYS, KEYS))
        section = config
        if outer:
            section = config.setdefault(outer[0], {})
            if not isinstance(section, dict):
                section = config[outer[0]] = {}
        match draw(st.sampled_from(["set", "set", "set", "list", "drop", "monster"])):
            case "set":
                section[last] = draw(ANYTHING)
            case "list":
                section[last] = draw(st.lists(NUMBERS | st.floats(0, 1) | WORDS, max_size=5))
            case "drop":
                section.pop(last, None)
            case "monster":
                section[last] = draw(MONSTERS)
    return config
