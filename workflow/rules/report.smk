from sslfast.report.figures import captions

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


def figure(w):
    """What a figure of the report says of itself; only Snakemake's report asks, so nothing else imports the drawing."""
    from sslfast.report.figures import all_figures

    return all_figures()[w.figure]


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
        # a folder: a figure with nothing to show is left out
        figures=report(
            directory(f"{REPORTS}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category=lambda w: figure(w).category,
            labels=lambda w: {"figure": figure(w).heading},
        ),
        # so are tables
        pages=report(
            directory(f"{REPORTS}/pages"),
            patterns=["{table}.html"],
            caption="../report/page.rst",
            category=lambda w: PAGES[w.table],
            labels=lambda w: {"figure": w.table.replace("_", " ")},
        ),
        tables=expand(f"{REPORTS}/tables/{{table}}.csv", table=TABLES),
    log:
        f"{RESULTS}/logs/report.log",
    resources:
        mem_mb=memory(),
        runtime=minutes(30),
    params:
        asked=lambda w: asked("report", w),
        content=CONTENT,
        code=REPORT_CODE,
        script=script_code("report"),
        captions=captions(),
    message:
        f"report on {study.name}"
    script:
        "../scripts/report.py"
