"""The report's figures: each file of this folder is one, and describes itself as `FIGURE`."""

import ast
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

__all__ = ["all_figures", "captions"]


def all_figures() -> dict:
    """Each `Figure` by its name, in the order of the page."""
    from ..figure import PARTS  # here, so that `captions` takes no library of drawing

    found = {name: import_module(f"{__name__}.{name}").FIGURE for _, name, _ in iter_modules(__path__)}
    parts = list(PARTS)
    return dict(sorted(found.items(), key=lambda item: (parts.index(item[1].part), item[1].place, item[0])))


def captions() -> dict[str, str]:
    """The caption of each figure in Snakemake's report, by name: its file's docstring, read without an import."""
    files = [path for folder in __path__ for path in Path(folder).glob("*.py") if path.stem != "__init__"]
    return {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in sorted(files)}
