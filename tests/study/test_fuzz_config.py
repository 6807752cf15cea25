"""Whatever stands in a config, it makes a study or one line that names the key."""

import datetime
import math
from pathlib import Path

import pytest
import yaml
from hostile import NAMES, is_one_line, try_all, trying
from hypothesis import strategies as st

from sslfast.data.augment import Augment
from sslfast.errors import ConfigError, shown
from sslfast.report.page import report_settings
from sslfast.stages import FitSettings, run_settings, settings_of
from sslfast.study.config import check_config, read_schema

ROOT = Path(__file__).parents[2]
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


def names_its_key(message: str, config) -> bool:
    keys = {"config", *SCHEMA["properties"]}
    for key in _all_keys(config):
        keys |= {key, " ".join(shown(key).split())} if isinstance(key, str) else {shown(key)}
    return any(message.startswith((f"{key}: ", f"{key}.")) for key in keys if key)


def _all_keys(config):
    if isinstance(config, dict):
        for key, value in config.items():
            yield key
            if isinstance(value, dict):
                yield from value


def a_study_or_one_line(config) -> str:
    try:
        found = check_config(config, SCHEMA)
    except ConfigError as error:
        assert is_one_line(error)
        assert len(str(error)) < 600
        assert names_its_key(str(error), config), str(error)
        return "one line"
    assert check_config(found.as_config(), SCHEMA) == found
    assert 1 <= len(found.unlabelled) * len(found.labelled) * len(found.seeds) <= 200_000
    for text in [*found.unlabelled, *found.labelled, *map(str, found.seeds), found.name]:
        assert len(text) <= 100, "it names files"
    assert is_one_line(found.title)
    # what stages and the report make of it
    for stage in ("pretrain", "classify", "supervised"):
        settings_of(FitSettings, found.section(stage))
    run_settings(found, found.threads, uses_device=False)
    Augment.of(found.dataset, found.augment)
    report_settings(found)
    return "a study"


@trying(100, 20_000)
def test_any_config_makes_a_study_or_one_line(n):
    try_all(n, a_study_or_one_line, configs())


def yaml_makes_a_study_or_one_line(text: str) -> str:
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError):
        return "no YAML"
    return a_study_or_one_line(config)


@trying(50, 5_000)
def test_any_yaml_makes_a_study_or_one_line(n):
    try_all(n, yaml_makes_a_study_or_one_line, YAML)


@pytest.mark.parametrize("make", [lambda: deep(5000), endless, lambda: [deep(900)]], ids=["deep", "endless", "a list"])
def test_lists_within_lists_end_before_the_checks_do(make):
    with pytest.raises(ConfigError, match=r"^labelled[.a-z]*: found lists or maps within each other"):
        check_config({**VALID[0], "labelled": make()}, SCHEMA)


def test_a_grid_that_nobody_lives_to_see_is_refused_at_once():
    many = [n / 1000 for n in range(1, 1000)]
    with pytest.raises(ConfigError, match=r"^unlabelled: found 998,001,000 cells"):
        check_config({**VALID[0], "unlabelled": many, "labelled": many, "seeds": 1000}, SCHEMA)


@pytest.mark.parametrize("title", ["a\nb", "\x1b[31m", "\u202eabc", "\ud800", "a < b", "</script><b>"])
def test_a_title_of_more_than_a_line_of_text_is_refused(title):
    with pytest.raises(ConfigError, match=r"^title: found .*, expected one line of text without < and >$") as caught:
        check_config({**VALID[0], "title": title}, SCHEMA)
    assert is_one_line(caught.value)


@pytest.mark.parametrize("key", ["folder", "data_root"])
@pytest.mark.parametrize("value", ["a\0b", "~nobody-of-that-name/x", "\ud800"])
def test_a_path_that_can_be_none_is_refused(key, value):
    with pytest.raises(ConfigError, match=rf"^{key}: found .*, expected the path of a folder$"):
        check_config({**VALID[1], key: value}, SCHEMA)
