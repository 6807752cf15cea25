# Every figure also goes into Snakemake's own report, with its caption.
CATEGORIES = {
    "f1_against_unlabelled": "Accuracy",
    "self_supervised_against_supervised": "Verdict",
    "against_controls": "Verdict",
    "across_evaluations": "Verdict",
    "accuracy_in_training": "Accuracy",
    "f1_in_training": "Accuracy",
    "time_to_threshold": "Time",
    "wall_clock": "Time",
    "score_map": "Data needed",
    "data_needed": "Data needed",
    "embeddings": "Images",
    "reconstructions": "Images",
    "inventions": "Images",
    "confusion": "Images",
    "mistakes": "Images",
}
TABLES = [
    "cells",
    "cells_to_run",
    "claims",
    "contrasts",
    "controls",
    "data_needed",
    "equal_passes",
    "evaluation_order",
    "evaluations",
    "history",
    "label_equivalence",
    "length_check",
    "plateau",
    "scores",
    "still_rising",
    "surface",
    "time_to_threshold",
    "unusual",
    "what_next",
]
# Snakemake's report shows tables as HTML only.
PAGES = {
    "verdict": "Verdict",
    "what_next": "Data needed",
    "trust": "Trust",
    "missing": "Trust",
    "claims": "Trust",
}
# What the report depends on beside the results: another price makes another report, and trains nothing.
ABOUT = ["title", "threshold", "accuracy_targets", "delta", "prices", "judged_by", "check_length"]


def captioned(name, categories, path):
    """A file, marked for Snakemake's report."""
    return report(
        path,
        caption=f"../report/{name}.rst",
        category=categories[name],
        labels={"figure": name.replace("_", " ")},
    )


rule report:
    input:
        cells=f"{RESULTS}/tables/cells.parquet",
        history=f"{RESULTS}/tables/history.parquet",
        shorter=f"{RESULTS}/tables/shorter.parquet",
        images=IMAGES,
        examples=rules.examples.output.examples,
        image_noise=rules.examples.output.image_noise,
    output:
        page=report(
            f"{REPORTS}/report.html",
            caption="../report/report.rst",
            category="Verdict",
            labels={"figure": "the whole report"},
        ),
        summary=f"{REPORTS}/summary.md",
        figures=[captioned(n, CATEGORIES, f"{REPORTS}/figures/{n}.svg") for n in CATEGORIES],
        pages=[captioned(n, PAGES, f"{REPORTS}/tables/{n}.html") for n in PAGES],
        pictures=expand(f"{REPORTS}/figures/{{name}}.png", name=CATEGORIES),
        tables=expand(f"{REPORTS}/tables/{{table}}.csv", table=TABLES),
    log:
        f"{RESULTS}/logs/report.log",
    resources:
        mem_mb=memory(),
        runtime=minutes(30),
    params:
        code=REPORT_CODE,
        before=BEFORE_TABLES,
        about={key: config[key] for key in ABOUT},
    message:
        "report on {config[study]}"
    script:
        "../scripts/report.py"
