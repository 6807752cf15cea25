# One job a cell and evaluation (`evaluate` in the config): what the encoder is worth with so many labels.
rule classify:
    input:
        split=SPLIT,
        encoder=encoder_of_cell("encoder"),
        pretrained=encoder_of_cell("record"),
    output:
        record=place("record", CELL),
        predictions=place("predictions", CELL),
    log:
        place("log", CELL),
    wildcard_constraints:
        stage="|".join(stage.name for stage in evaluations().values()),
    threads: study.threads
    resources:
        gpu=GPU,
        mem_mb=training_memory("classify"),
        runtime=training_time("classify"),
        turn=1,
    params:
        asked=lambda w: asked(w.stage, w),
        content=CONTENT,
        code=lambda w: code(w.stage, w),
        script=script_code("classify"),
        checkpoint=checkpoint,
    message:
        "{wildcards.stage} over {wildcards.encoder} ({wildcards.method}), u {wildcards.u}, l {wildcards.l}, seed {wildcards.seed}{wildcards.length}"
    script:
        "../scripts/classify.py"
