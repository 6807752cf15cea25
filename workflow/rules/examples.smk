# What the report shows as images: reconstructions of each encoder, and the mistakes of the best and the worst cell.
rule examples:
    input:
        cells=f"{RESULTS}/tables/cells.parquet",
        split=expand(SPLIT, seed=config["seeds"][0]),
        pictures=shown_encoders(PICTURES),
        pretrained=shown_encoders(PRETRAIN_RECORD),
        records=records_of_study,
    output:
        f"{RESULTS}/examples.npz",
    log:
        f"{RESULTS}/logs/examples.log",
    resources:
        mem_mb=memory(),
        runtime=minutes(20),
    params:
        data=DATA,
        judged_by=config["judged_by"],
        code=REPORT_CODE,
        before=BEFORE_TABLES,
    message:
        "gather the images that the report shows"
    script:
        "../scripts/examples.py"
