# A control that uses no network: logistic regression on raw pixels.
rule pixels:
    input:
        split=SPLIT,
    output:
        record=place("record", "pixels"),
        predictions=place("predictions", "pixels"),
    log:
        place("log", "pixels"),
    threads: study.threads
    resources:
        mem_mb=memory(12),
        runtime=minutes(60),
        turn=1,
    params:
        asked=lambda w: asked("pixels", w),
        content=CONTENT,
        code=lambda w: code("pixels", w),
        script=script_code("pixels"),
    message:
        "logistic regression on pixels, l {wildcards.l}, seed {wildcards.seed}"
    script:
        "../scripts/pixels.py"
