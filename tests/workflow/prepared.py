"""What jobs find done where they begin: more than in a study's own job server, as many small studies share this one."""

import os

from sslfast.stages.entry_points import prepare_timm


def prepare() -> None:
    """Import what any job needs, a report's, too; and see that no job waits for the disk, since no power fails here."""
    prepare_timm()
    import sslfast.report.entry_points  # noqa: F401

    os.fsync = lambda _: None
