"""The pre-training methods, as their own files in `sslfast/methods/` declare them: `@method(own_views=True)`.

They are read as text, so that a config is checked, and a study planned, without importing torch; and so that a method
is one file, and not a file and a line of a table.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .source import Definition, Source, definitions

__all__ = ["Method", "declared", "method_of", "methods"]

PACKAGE = "sslfast.methods"
ENDING = "_learner"


@dataclass(frozen=True)
class Method:
    """A method: `learner`, its factory, called as `learner(dls, encoder, seed=…, precision=…, **options)`.

    `own_views`: it makes views of its own out of clean images, so that loaders need not augment; `compare_views`: it
    compares views after a projector, where all images can become alike.
    """

    name: str
    learner: Source
    own_views: bool = False
    compare_views: bool = False

    def load(self) -> Callable:
        """The factory itself, which imports torch."""
        return self.learner.load()


def methods() -> dict[str, Method]:
    """The methods of this package by name, that of the factory without `_learner`."""
    return {name: _method(name, *found) for name, found in declared(PACKAGE, "method").items()}


def method_of(learner: Source) -> Method:
    """The method that a factory anywhere is; `@method(…)` may say what it needs, as here."""
    return _method(learner.name, learner, learner.definition)


def declared(package: str, mark: str) -> dict[str, tuple[Source, Definition]]:
    """The definitions marked `@mark(…)` in the files of `package`, by the `name` that it gives them, or their own.

    `package.__path__` may name further folders. Packages above it are imported, its modules are not.
    """
    spec = importlib.util.find_spec(package)
    return _declared(package, tuple(spec.submodule_search_locations), mark)


@functools.cache
def _declared(package: str, folders: tuple[str, ...], mark: str) -> dict[str, tuple[Source, Definition]]:
    found = {}
    for folder in folders:
        for path in sorted(Path(folder).glob("*.py")):
            for definition in definitions(path):
                if mark in definition.marks:
                    name = definition.marks[mark].get("name") or definition.name.removesuffix(ENDING)
                    found[name] = Source(f"{package}.{path.stem}", definition.name), definition
    return found


def _method(name: str, learner: Source, definition: Definition) -> Method:
    marks = definition.marks.get("method", {})
    return Method(name, learner, bool(marks.get("own_views")), bool(marks.get("compare_views")))
