rule report:
    input:
        cells=f"{RESULTS}/tables/cells.parquet",
    output:
        f"{REPORTS}/x.html",
    log:
        f"{RESULTS}/logs/report.log",
    shell:
        "touch {output}"
