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
        data=DATA,
        valid_fraction=config["valid_fraction"],
        code=lambda w: code("split", w),
    message:
        f"split {config['dataset']}, seed {{wildcards.seed}}"
    script:
        "../scripts/split.py"
