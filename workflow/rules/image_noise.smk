# What every run made of each test image lies beside its record: it says how far differences hold for other images.
rule image_noise:
    input:
        cells=f"{RESULTS}/tables/cells.parquet",
        records=records_of_study,
        images=IMAGES,
    output:
        f"{RESULTS}/tables/image_noise.parquet",
    log:
        f"{RESULTS}/logs/image_noise.log",
    resources:
        mem_mb=memory(),
        runtime=minutes(30),
    params:
        data=DATA,
        code=REPORT_CODE,
    message:
        "how much the test images decide in {config[study]}"
    script:
        "../scripts/image_noise.py"
