"""The report of a study: one page that needs nothing else, from the collected tables. Never torch."""

from .page import FIGURES, write_report

__all__ = ["FIGURES", "write_report"]
