"""Turn the study's tables into its report."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
import json
from pathlib import Path

import pandas as pd

from sslfast.report import write_report

with job(snakemake):
    tables = (pd.read_parquet(path) for path in (snakemake.input.cells, snakemake.input.history))
    images = json.loads(Path(snakemake.input.images).read_text(encoding="utf-8"))
    write_report(*tables, snakemake.params.about, Path(snakemake.output.page).parent, images)
