"""The pre-training methods, as their own files in `sslfast/methods/` declare them: `@method(own_views=True)`.

They are read as text, so that a config is checked, and a study planned, without importing torch; and so that a method
is one file, and not a file and a line of a table.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .source import Definition, Source, declared

__all__ = ["Method", "method_of", "methods"]

PACKAGE = "sslfast.methods"
ENDING = "_learner"


@dataclass(frozen=True)
class Method:
    """A method: `learner`, its factory, called as `learner(dls, encoder, seed=…, precision=…, **options)`.

    `own_views`: it augments clean images itself, so loaders need not; `compare_views`: its loss compares views after a
    projector, so that it can collapse to the same features for all images; `teacher`: its option of that name is an
    existing net, which a config gives by name; `square`: it needs square images. `encoders`: the only ones that it can
    train, of any width; empty for all.
    """

    name: str
    learner: Source
    own_views: bool = False
    compare_views: bool = False
    teacher: bool = False
    square: bool = False
    encoders: tuple[str, ...] = ()

    def load(self) -> Callable:
        """The factory itself, which imports torch."""
        return self.learner.load()


def methods() -> dict[str, Method]:
    """The methods of this package by name, that of the factory without `_learner`."""
    found = declared(PACKAGE, "method")
    return {name.removesuffix(ENDING): _method(name.removesuffix(ENDING), *one) for name, one in found.items()}


def method_of(learner: Source) -> Method:
    """The method of a person's own factory, which may be marked with `@method(…)` as this package's are."""
    return _method(learner.name, learner, learner.definition)


def _method(name: str, learner: Source, definition: Definition) -> Method:
    marks = definition.marks.get("method", {})
    said = {key: bool(marks.get(key)) for key in ("own_views", "compare_views", "teacher", "square")}
    return Method(name, learner, **said, encoders=tuple(marks.get("encoders") or ()))
