rule collect:
    input:
        records=lambda _: records_of_study(),
        pretrained=lambda _: files_of("record", is_encoder),
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
        asked=lambda w: asked("collect", w),
        content=CONTENT,
        code=REPORT_CODE,
        script=script_code("collect"),
    message:
        f"collect the records of {study.name}"
    script:
        "../scripts/collect.py"
