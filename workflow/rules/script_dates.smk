"""What makes a finished job run again: digests of its code, never the date of a script alone."""

from pathlib import Path

import snakemake.jobs

from sslfast.study.version import file_version

SCRIPTS = Path(workflow.current_basedir.join("../scripts").get_path_or_uri(secret_free=True)).resolve()


def script_code(name):
    """A digest of a script, for the params of the rule that runs it."""
    return file_version(workflow.source_path(f"../scripts/{name}.py"))


# To Snakemake a script has changed if it is younger than what it made, as each one is after a checkout, in a clone or a
# copy (snakemake#3707). Ours are as old as can be: their digests say what changed. Other workflows' keep their dates.
date_of_script = getattr(snakemake.jobs, "get_script_mtime", None)
if date_of_script:  # which Snakemake before 9.27 may not have: there, the trigger `code` has to be left out
    snakemake.jobs.get_script_mtime = lambda path, usual=date_of_script: (
        0.0 if Path(path).resolve().parent == SCRIPTS else usual(path)
    )
