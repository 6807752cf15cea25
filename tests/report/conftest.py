"""Fixtures: reports that are written in less time."""

from collections.abc import Callable

import pytest

from sslfast.report import page
from sslfast.report.figures import all_figures


@pytest.fixture
def draw_only(monkeypatch) -> Callable[..., None]:
    """`draw_only("confusion")`: of a report's figures, which take most of its time, these and no others are drawn."""
    figures = all_figures()
    return lambda *names: monkeypatch.setattr(page, "all_figures", lambda: {name: figures[name] for name in names})
