"""`snakemake --lint` has nothing to say on the workflow but what is written down here, with the reason."""

import re

from studies import Workflow

EXCEPTIONS = {
    # all rules run in the environment that has sslfast: a rule's own would be another code than Snakemake checked
    "Specify a conda environment or container for each rule.",
    # a function that one rule alone uses stands above it
    "Mixed rules and functions in same snakefile.",
}


def test_the_workflow_is_as_snakemake_recommends_but_for_written_exceptions(workflow: Workflow):
    result = workflow.ask("--lint")
    said = set(re.findall(r"^    \* (.*):$", result.stdout + result.stderr, re.MULTILINE))
    assert said == EXCEPTIONS, result.stdout + result.stderr
