# make study: set up, run the embedded study, build its report.   make test: set up, run the tests.
# PYTHON=python3.12 chooses another Python; PIP_ARGS is handed to pip (an index with CPU builds of torch, say).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: study test lint format docs clean

study: $(READY)
	$(BIN)/snakemake --cores all
	@echo "The report is in reports/digits/report.html"

test: $(READY)
	$(BIN)/pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# One pip call, so that nothing asks for a newer torch than the pinned one, of which CPU builds exist.
$(READY): pyproject.toml constraints.txt .ci/venv
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	bash .ci/venv "$(PYTHON)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

docs: $(READY)
	$(BIN)/python docs/config_readme.py

clean:
	rm -rf .venv .snakemake build *.egg-info
