# What the report needs the images for: reconstructions of each encoder, mistakes of the best and the worst cell, and how
# far differences hold for other test images (what every run made of each lies beside its record).
rule examples:
    input:
        cells=f"{RESULTS}/tables/cells.parquet",
        split=expand(SPLIT, seed=study.seeds[0]),
        pictures=files_of("pictures", is_shown),
        pretrained=files_of("record", is_shown),
        records=lambda _: records_of_study(),
        predictions=lambda _: files_of("predictions"),
    output:
        examples=f"{RESULTS}/examples.npz",
        image_noise=f"{RESULTS}/tables/image_noise.parquet",
    log:
        f"{RESULTS}/logs/examples.log",
    resources:
        mem_mb=memory(),
        runtime=minutes(20),
    params:
        asked=lambda w: asked("examples", w),
        content=CONTENT,
        code=REPORT_CODE,
        script=script_code("examples"),
    message:
        "gather the images that the report shows"
    script:
        "../scripts/examples.py"
