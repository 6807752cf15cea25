"""The report of a study: one page that needs nothing else, from the collected tables. Never torch."""

from .page import write_report
from .parts import FIGURES

__all__ = ["FIGURES", "write_report"]
