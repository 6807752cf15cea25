rule supervised:
    input:
        split=SPLIT,
    output:
        record=place("record", "supervised"),
        predictions=place("predictions", "supervised"),
    log:
        place("log", "supervised"),
    priority: 1  # the longest jobs: at the end, a core would work on one alone
    threads: study.threads
    resources:
        gpu=GPU,
        mem_mb=training_memory("supervised"),
        runtime=training_time("supervised"),
    params:
        asked=lambda w: asked("supervised", w),
        content=CONTENT,
        code=lambda w: code("supervised", w),
        script=script_code("supervised"),
        checkpoint=checkpoint,
    message:
        "supervised {wildcards.encoder}, l {wildcards.l}, seed {wildcards.seed}{wildcards.length}"
    script:
        "../scripts/supervised.py"
