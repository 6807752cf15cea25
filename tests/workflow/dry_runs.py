"""`python dry_runs.py a.yaml b.yaml …`: what `snakemake -n --configfile a.yaml` prints, and so on, as a JSON list.

Imports and looking at the code take longer than a dry run of a small study: each one is a fork of a process that is
done with both.
"""

import gc
import json
import os
import sys
import tempfile

import pandas  # noqa: F401 - for Snakemake
import snakemake.cli

from sslfast.version import code_version, reading_version, report_version


def dry_run(config: str) -> str:
    with tempfile.TemporaryFile("w+") as output:
        if (child := os.fork()) == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                snakemake.cli.main(["-n", "--configfile", config])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)
        os.waitpid(child, 0)
        output.seek(0)
        return output.read()


if __name__ == "__main__":
    snakemake.cli.get_argument_parser()
    for version in (code_version, reading_version, report_version):
        version()
    gc.freeze()
    print(json.dumps([dry_run(config) for config in sys.argv[1:]]))
