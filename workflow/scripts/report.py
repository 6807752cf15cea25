"""Turn the study's tables into its report."""

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from pathlib import Path

from sslfast.analysis.image_summary import read_summary
from sslfast.analysis.one_study import check_one_study
from sslfast.analysis.planned import read_plan
from sslfast.analysis.table_files import read_table
from sslfast.report.page import write_report
from sslfast.study.examples import read_examples
from sslfast.study.shorter import why_not

with job(snakemake):
    cells, history, shorter = (read_table(snakemake.input.get(name)) for name in ("cells", "history", "shorter"))
    images = read_summary(snakemake.input.images)
    check_one_study(cells, images, snakemake.config, Path(snakemake.input.cells).parents[1], shorter)
    examples = read_examples(snakemake.input.examples)
    # no input: a study that was not planned is reported all the same, and a plan made later changes no report
    plan = read_plan(Path(snakemake.input.images).with_name("plan.json"), snakemake.config)
    image_noise = read_table(snakemake.input.image_noise)
    write_report(
        cells, history, snakemake.params.about, Path(snakemake.output.page).parent, images, examples, plan,
        shorter, why_not(snakemake.config), image_noise,
    )  # fmt: skip
