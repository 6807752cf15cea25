"""The code version changes when what the code does changes, and only then."""

import importlib.util
import shutil
import textwrap
from pathlib import Path

import pytest

import sslfast.study.version

SOURCE = '''
"""What the module is about."""

import math


class Circle:
    """A circle."""

    def area(self, radius):
        """Its area."""
        return math.pi * radius**2  # as Archimedes knew
'''


@pytest.fixture
def package(tmp_path):
    """A small package with its own copy of `version.py`."""
    root = tmp_path / "small"
    (root / "analysis").mkdir(parents=True)
    shutil.copy(sslfast.study.version.__file__, root / "version.py")
    (root / "circle.py").write_text(SOURCE)
    (root / "report").mkdir()
    (root / "report" / "page.py").write_text("TITLE = 'a'\n")
    (root / "analysis" / "tables.py").write_text("ROWS = 3\n")
    return root


def code_version(package: Path) -> str:
    spec = importlib.util.spec_from_file_location("copied_version", package / "version.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.code_version()


def edited(package: Path, name: str, old: str, new: str) -> str:
    path = package / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return code_version(package)


def test_it_is_twelve_hexadecimal_digits_and_stays_the_same(package):
    version = code_version(package)
    assert len(version) == 12
    assert set(version) <= set("0123456789abcdef")
    assert code_version(package) == version


@pytest.mark.parametrize(
    "old, new",
    [
        ("# as Archimedes knew", "# π r²"),
        ("# as Archimedes knew", ""),
        ('"""What the module is about."""', '"""Something else."""'),
        ('"""A circle."""', '"""Round."""'),
        ('"""Its area."""', '"""Square metres."""'),
        ("        return", "\n\n        return"),
        ("math.pi * radius**2", "(math.pi * radius ** 2)"),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_it(package, old, new):
    before = code_version(package)
    assert edited(package, "circle.py", old, new) == before


def test_adding_a_docstring_where_there_was_none_does_not_change_it(package):
    (package / "more.py").write_text("def double(x):\n    return 2 * x\n")
    before = code_version(package)
    assert edited(package, "more.py", "    return", '    """Twice x."""\n    return') == before


@pytest.mark.parametrize(
    "old, new",
    [
        ("radius**2", "radius**3"),
        ("import math", "import cmath as math"),
        ("def area", "def surface"),
        ("math.pi", "'math.pi'"),
    ],
)
def test_code_changes_it(package, old, new):
    before = code_version(package)
    assert edited(package, "circle.py", old, new) != before


def test_a_text_that_is_not_a_docstring_changes_it(package):
    (package / "names.py").write_text(textwrap.dedent("NAME = 'cat'\n"))
    before = code_version(package)
    assert edited(package, "names.py", "cat", "dog") != before


def test_a_new_or_renamed_file_changes_it(package):
    before = code_version(package)
    (package / "circle.py").rename(package / "disc.py")
    renamed = code_version(package)
    (package / "empty.py").write_text("")
    assert len({before, renamed, code_version(package)}) == 3


@pytest.mark.parametrize("name, old, new", [("report/page.py", "'a'", "'b'"), ("analysis/tables.py", "3", "4")])
def test_code_that_only_reads_results_does_not_change_it(package, name, old, new):
    before = code_version(package)
    assert edited(package, name, old, new) == before


def test_versions_name_the_libraries_that_decide_a_result():
    found = sslfast.study.version.versions()
    assert {"python", "sslfast", "torch", "fastai", "numpy"} <= set(found)
    assert all(isinstance(version, str) and version for version in found.values())
