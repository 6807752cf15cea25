"""The report of a study: one page that needs nothing else, from the collected tables. Never torch."""

from .page import PAGES, write_report
from .parts import FIGURES

__all__ = ["FIGURES", "PAGES", "write_report"]
