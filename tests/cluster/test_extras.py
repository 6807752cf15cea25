"""Whoever takes a profile without Snakemake's plugin for it is told in one line what to install."""

import pkgutil
from types import SimpleNamespace

import pytest

from sslfast.cluster import extras


@pytest.mark.parametrize("extra", extras.PLUGINS)
def test_a_plugin_that_is_missing_ends_in_one_line_with_what_to_type(extra, monkeypatch):
    monkeypatch.setattr(pkgutil, "iter_modules", lambda: [SimpleNamespace(name="snakemake")])
    with pytest.raises(SystemExit) as caught:
        extras.require(extra)
    line = str(caught.value)
    assert line.startswith(f"error: profiles/{extra}: found no snakemake-") and "\n" not in line
    assert line.endswith(f"pip install 'sslfast[{extra}]'")


@pytest.mark.parametrize("extra", extras.PLUGINS)
def test_nothing_is_said_where_the_plugins_are(extra, monkeypatch):
    there = [SimpleNamespace(name=name) for name in extras.PLUGINS[extra]]
    monkeypatch.setattr(pkgutil, "iter_modules", lambda: there)
    extras.require(extra)


def test_each_profile_that_needs_a_plugin_asks_for_its_own():
    from pathlib import Path

    profiles = Path(__file__).parents[2] / "profiles"
    for extra in extras.PLUGINS:
        assert f'require("{extra}")' in (profiles / extra / "config.yaml").read_text(encoding="utf-8")
