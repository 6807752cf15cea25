"""How long a job took to begin."""

import os
from pathlib import Path

__all__ = ["BEFORE", "age_of_process"]


def age_of_process() -> float:
    """Seconds since this process began, where the system tells (Linux), else 0."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        return max(0.0, up - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return 0.0


BEFORE = age_of_process()  # when this was imported, which a script does first
