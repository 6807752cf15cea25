"""Snakemake, asking SLURM each second how jobs are: its plugin asks less and less often, which tests would wait for."""

import asyncio

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def _a_second(_) -> None:
    await asyncio.sleep(1)


Executor.sleep = _a_second
main()
