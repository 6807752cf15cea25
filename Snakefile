# How much is unlabelled data worth? The whole study, from images to report:
#   images -> split -> pretrain -> classify -> collect -> examples -> report
#                  `-> supervised ------------^
# Run `snakemake --cores all`; the config's keys are explained in config/README.md.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.11")


report: "workflow/report/workflow.rst"


# A --configfile replaces the default whole: merged, keys of one study would leak into another. So does a folder of
# images (--config folder=~/pictures): settings for digits serve no photographs.
if not workflow.overwrite_configfiles:

    usual = "config/folder.yaml" if config.get("folder") else "config/config.yaml"

    # Beside this file, where the folder in which it runs (`--directory`, or with `-s`, or as a module) has none of its own.
    beside = workflow.current_basedir.join(usual).get_path_or_uri(secret_free=True)

    configfile: usual if Path(usual).exists() else beside


include: "workflow/rules/common.smk"
include: "workflow/rules/script_dates.smk"
include: "workflow/rules/mended.smk"
include: "workflow/rules/progress.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/shuffle.smk"
include: "workflow/rules/classify.smk"
include: "workflow/rules/supervised.smk"
include: "workflow/rules/pixels.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/examples.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"


# What every job leaves, not the report alone: Snakemake does not miss a file in the middle (of a job that failed, or
# deleted) while the report is there. Single figures are not looked at: a study has those that have something to show.
rule all:
    default_target: True
    input:
        rules.report.output,
        rules.collect.output,
        rules.examples.output,
        IMAGES,
        [files_of(kind) for kind in ("split", "encoder", "pictures", "record")],
    message:
        f"the study {study.name} is whole"
