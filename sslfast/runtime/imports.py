"""Imports that take seconds, made faster."""

import gc
import sys
from collections.abc import Callable

__all__ = ["imported"]


def imported(function: str) -> Callable:
    """The function `module:function`, its module imported while Python rarely looks for garbage.

    torch and fastai make millions of objects that live to the end: looking through them at Python's usual pace, and
    once more at exit, cost 1.2 of 4.0 s of an empty job. What is there now is never looked through again.
    """
    module, _, name = function.partition(":")
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        __import__(module)  # not importlib's function: each call deeper, Python 3.11 takes longer for what follows
        found = getattr(sys.modules[module], name)
    finally:
        gc.freeze()
        gc.set_threshold(*usual)
    return found
