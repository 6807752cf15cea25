"""What `sslfast` exports, and what editors and type checkers are told that it exports."""

import ast
import re
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import sslfast

ROOT = Path(__file__).parents[1]


def test_editors_see_the_public_names_and_no_others():
    stub = ast.parse((files("sslfast") / "__init__.pyi").read_text(encoding="utf-8"))
    told = {
        alias.asname: (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(told) == sslfast.__all__
    for name, (module, original) in told.items():
        assert getattr(import_module(f"sslfast.{module}"), original) is getattr(sslfast, name), name


def test_the_package_says_that_it_has_types():
    assert (files("sslfast") / "py.typed").is_file()


def test_the_citation_and_the_changes_name_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == sslfast.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\d[\d.]*)", changes, re.MULTILINE)[1] == sslfast.__version__
