"""Turn the study's tables into its report."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
import json
from pathlib import Path

import pandas as pd

from sslfast.analysis.one_study import check_one_study
from sslfast.examples import read_examples
from sslfast.report import write_report

with job(snakemake.log[0]):
    cells, history = (pd.read_parquet(path) for path in (snakemake.input.cells, snakemake.input.history))
    images = json.loads(Path(snakemake.input.images).read_text(encoding="utf-8"))
    check_one_study(cells, images, snakemake.config, Path(snakemake.input.cells).parents[1])
    examples = read_examples(snakemake.input.examples[0])
    write_report(cells, history, snakemake.params.about, Path(snakemake.output.page).parent, images, examples)
