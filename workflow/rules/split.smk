rule split:
    input:
        IMAGES,
    output:
        SPLIT,
    log:
        place("log", "split"),
    resources:
        mem_mb=memory(),
        runtime=minutes(10),
        turn=1,
    params:
        asked=lambda w: asked("split", w),
        content=CONTENT,
        code=lambda w: code("split", w),
        script=script_code("split"),
    message:
        f"split {study.dataset}, seed {{wildcards.seed}}"
    script:
        "../scripts/split.py"
