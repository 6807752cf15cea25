# A control: an encoder whose layers keep their weights, but each in other places.
rule shuffle:
    input:
        split=SPLIT,
        encoder=place("encoder", "pretrain", length=""),
        record=place("record", "pretrain", length=""),
    output:
        encoder=place("encoder", "pretrain", method=f"{SHUFFLED}{{method}}", length=""),
        record=place("record", "pretrain", method=f"{SHUFFLED}{{method}}", length=""),
    log:
        place("log", "pretrain", folder="shuffle", length=""),
    threads: study.threads
    resources:
        gpu=GPU,
        mem_mb=memory(),
        runtime=minutes(10),
        turn=1,
    params:
        asked=lambda w: asked("pretrain", w),
        content=CONTENT,
        code=lambda w: code("pretrain", w),
        script=script_code("shuffle"),
    message:
        "shuffle {wildcards.encoder} ({wildcards.method}), u {wildcards.u}{wildcards.of}, seed {wildcards.seed}"
    script:
        "../scripts/shuffle.py"
