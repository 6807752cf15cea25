rule collect:
    input:
        records=records_of_study,
        pretrained=pretrain_records_of_study,
        images=IMAGES,
    output:
        expand(
            f"{RESULTS}/tables/{{table}}.{{kind}}",
            table=["cells", "history", "pretraining", "shorter"],
            kind=["parquet", "csv"],
        ),
    log:
        f"{RESULTS}/logs/collect.log",
    resources:
        mem_mb=memory(),
        runtime=minutes(30),
    params:
        code=REPORT_CODE,
        before=BEFORE_TABLES,
    message:
        "collect the records of {config[study]}"
    script:
        "../scripts/collect.py"
