# Reads every image once, for all seeds: bad data stops here, before anything else has started.
rule images:
    output:
        IMAGES,
    log:
        f"{RESULTS}/logs/images.log",
    resources:
        mem_mb=memory(2),
        runtime=minutes(60),
    params:
        asked=lambda w: asked("images", w),
        content=CONTENT,
        code=READING_CODE,
        script=script_code("images"),
    message:
        f"read the images of {study.dataset}"
    script:
        "../scripts/images.py"
