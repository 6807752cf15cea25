"""Whatever stands in a config, it makes a study or one line that names the key."""

import pytest
import yaml
from hostile import is_one_line, try_all, trying
from strange_configs import SCHEMA, VALID, YAML, configs, deep, endless

from sslfast.data.augment import Augment
from sslfast.errors import ConfigError, shown
from sslfast.report.page import report_settings
from sslfast.stages import FitSettings, run_settings
from sslfast.study.config import check_config
from sslfast.study.study import Study


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
    assert Study.of(found.as_config()) == found
    arms = [*found.variants.values(), *found.sections.values()]
    if not any(isinstance(arm.get(net), dict) for arm in arms for net in ("start", "teacher")):
        assert check_config(found.as_config(), SCHEMA) == found  # else an arm holds the net itself, not its name
    assert 1 <= len(found.unlabelled) * len(found.labelled) * len(found.seeds) <= 200_000
    for text in [*found.unlabelled, *found.labelled, *map(str, found.seeds), found.name]:
        assert len(text) <= 100, "it names files"
    assert is_one_line(found.title)
    # what stages and the report make of it
    for stage in ("pretrain", "classify", "supervised"):
        FitSettings(**found.section(stage))
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
