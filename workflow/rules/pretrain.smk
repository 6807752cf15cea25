rule pretrain:
    input:
        split=SPLIT,
    output:
        encoder=place("encoder", "pretrain"),
        record=place("record", "pretrain"),
        pictures=place("pictures", "pretrain"),
    log:
        place("log", "pretrain"),
    wildcard_constraints:
        method=f"(?!{SHUFFLED}){WILDCARDS['method']}",
    priority: 2  # cells wait for it
    threads: study.threads
    resources:
        gpu=GPU,
        mem_mb=training_memory("pretrain"),
        runtime=training_time("pretrain"),
    params:
        asked=lambda w: asked("pretrain", w),
        content=CONTENT,
        code=lambda w: code("pretrain", w),
        script=script_code("pretrain"),
        checkpoint=checkpoint,
    message:
        "pretrain {wildcards.encoder} ({wildcards.method}), u {wildcards.u}{wildcards.of}, seed {wildcards.seed}{wildcards.length}"
    script:
        "../scripts/pretrain.py"
