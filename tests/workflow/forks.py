"""`python forks.py`: calls of Snakemake. A line of JSON on stdin a call, `[folder, arguments, environment, jobs]`, and
one on stdout that says how it ended, `[exit status, output, errors]`.

Imports and looking at the code take longer than a dry run of a small study: each call is a fork of a process that is
done with both. Calls that begin `jobs` have one job server (`prepared.py`), in place of one a call: to import torch
takes longer than the jobs of a small study.
"""

import gc
import json
import os
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path

import pandas  # noqa: F401 - for Snakemake
import snakemake.cli

import sslfast.cluster.needs  # noqa: F401 - for the Snakefile
from sslfast.runtime import job_server
from sslfast.study.version import code_version, reading_version, report_version

HERE = Path(__file__).parent


def snakemake_in(folder: str, arguments: list[str], environment: dict[str, str]) -> int:
    """What the program does, and its exit status."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]
    try:
        snakemake.cli.main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    return 1


def call(*given) -> tuple[int, str, str]:
    with _file() as output, _file() as errors:
        if (child := os.fork()) == 0:
            status = 1
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                status = snakemake_in(*given)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        errors.seek(0)
        return os.waitstatus_to_exitcode(status), output.read(), errors.read()


def _file():
    return tempfile.TemporaryFile("w+", errors="backslashreplace")


if __name__ == "__main__":
    snakemake.cli.get_argument_parser()
    for version in (reading_version, report_version, partial(code_version, "classify")):
        version()
    os.fsync = lambda _: None  # see prepared.py
    gc.freeze()
    start = job_server.start
    job_server.start = lambda *_: None
    for line in sys.stdin:
        folder, arguments, environment, jobs = json.loads(line)
        if jobs and job_server.SERVER not in os.environ:
            os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
            start("prepared:prepare")
        if job_server.SERVER in os.environ:
            environment = {job_server.SERVER: os.environ[job_server.SERVER], **environment}
        print(json.dumps(call(folder, arguments, environment)), flush=True)
