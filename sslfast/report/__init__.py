"""The report of a study: one page that needs nothing else, from the collected tables. Never torch."""

from .page import PAGES, write_report
from .parts import FIGURES
from .trust import read_summary

__all__ = ["FIGURES", "PAGES", "read_summary", "write_report"]
