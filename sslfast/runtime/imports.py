"""Faster imports of large libraries."""

import gc
import sys
from collections.abc import Callable

__all__ = ["imported"]


def imported(function: str) -> Callable:
    """The function named `module:function`; its module is imported with slowed garbage collection.

    torch and fastai create millions of objects that live until the process ends. Garbage collection during their
    imports and at exit cost 1.2 of the 4.0 s of an empty job. Objects that exist after the import are exempt from
    collection for good (`gc.freeze`).
    """
    module, _, name = function.partition(":")
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        __import__(module)  # not importlib.import_module: Python 3.11 imports slower the deeper the call stack is
        found = getattr(sys.modules[module], name)
    finally:
        gc.freeze()
        gc.set_threshold(*usual)
    return found
