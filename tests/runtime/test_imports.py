"""What takes long to import is imported while Python rarely looks for garbage, and then looked through no more."""

import gc
import sys

import pytest

from sslfast.runtime.imports import imported

MODULE = """
import gc
pace = gc.get_threshold()
def work():
    return pace
{more}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with this `more` in it; what lives is frozen no longer after a test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(more: str = "") -> str:
        (tmp_path / "slow_to_import.py").write_text(MODULE.format(more=more))
        return "slow_to_import:work"

    yield write
    sys.modules.pop("slow_to_import", None)
    gc.unfreeze()


def test_a_module_is_imported_at_a_slow_pace_and_its_objects_are_looked_through_no_more(module):
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    during = imported(module())()
    assert during[0] > 10 * usual[0]
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() > frozen


@pytest.mark.parametrize("more, error", [("1 / 0", ZeroDivisionError), ("del work", AttributeError)])
def test_after_an_import_that_fails_the_pace_is_usual_again(module, more, error):
    usual = gc.get_threshold()
    with pytest.raises(error):
        imported(module(more))
    assert gc.get_threshold() == usual
