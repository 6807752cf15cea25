"""The workflow as a module of another one (https://snakemake.readthedocs.io/en/stable/snakefiles/modularization.html)."""

from studies import TINY, Workflow

PARENT = """
module one:
    snakefile: "Snakefile"
    config: {one}

use rule * from one as one_*

module two:
    snakefile: "Snakefile"
    config: {two}

use rule * from two as two_*

rule both:
    default_target: True
    input: rules.one_all.input, rules.two_all.input
"""


def test_two_studies_stand_in_one_workflow(workflow: Workflow):
    one, two = ({**TINY, "study": name, "seeds": n} for name, n in (("first", 1), ("second", 2)))
    (workflow.folder / "both.smk").write_text(PARENT.format(one=one, two=two))
    result = workflow.ask("-n", "-s", "both.smk")
    assert result.returncode == 0, result.stderr
    said = result.stdout + result.stderr
    for name in ("first", "second"):
        assert f"report on {name}\n" in said and f"collect the records of {name}\n" in said
    assert said.count(": split digits, seed 0\n") == 2 and said.count(": split digits, seed 1\n") == 1
