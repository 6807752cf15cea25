"""Turn the study's tables into its report."""

from sslfast.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.table_files import read_table
from sslfast.report import read_summary, write_report

with job(snakemake.log[0]):
    tables = (read_table(path) for path in (snakemake.input.cells, snakemake.input.history))
    images = read_summary(snakemake.input.images)
    write_report(*tables, snakemake.params.about, Path(snakemake.output.page).parent, images)
