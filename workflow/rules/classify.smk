rule classify:
    input:
        split=SPLIT,
        encoder=encoder_of_cell("encoder"),
        pretrained=encoder_of_cell("record"),
    output:
        record=place("record", "classify"),
        predictions=place("predictions", "classify"),
    log:
        place("log", "classify"),
    threads: config["threads"]
    resources:
        gpu=GPU,
        mem_mb=training_memory,
        runtime=training_time("classify"),
        turn=1,
    params:
        data=DATA,
        run=RUN,
        fit=lambda w: {**config["classify"], "share": share(w, "classify")},
        code=lambda w: code_of("classify", w),
        before=before_cell,
        checkpoint=checkpoint,
    message:
        "classify over {wildcards.encoder} ({wildcards.method}), u {wildcards.u}, l {wildcards.l}, seed {wildcards.seed}{wildcards.length}"
    script:
        "../scripts/classify.py"
