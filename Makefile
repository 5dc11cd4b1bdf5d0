# make demo, make test, make check, make docs, make dev, make bench: each prepares the environment by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BUILD_DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Three workers keep two cores busy, as some tests mostly wait. conftest.py says what comes first and what stays together.
PYTEST_OPTIONS := -n 3 --dist loadscope --no-loadscope-reorder

.PHONY: demo test check docs dev bench lock clean

demo: $(READY)
	$(BIN)/jwst-mast demo

test: check
	$(BIN)/pytest $(PYTEST_OPTIONS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11))"; then $(BIN)/basedpyright; \
	else echo "Types are not checked with Python 3.10, for which there are only older stubs of pandas."; fi
	DAGSTER_HOME=$(CURDIR) $(BIN)/dg check defs
	$(BUILD_DOCS) --quiet

# The documentation as a site, in build/site; any warning is an error.
docs: $(READY)
	$(BUILD_DOCS)
	@echo "file://$(CURDIR)/build/site/index.html"

dev: $(READY)
	$(BIN)/jwst-mast dev

# How long the original and ours take for the same work; see bench/README.md. For example: make bench ARGS="--runs 1".
bench: $(READY)
	$(BIN)/python bench/against_original.py --json bench/figures.json $(ARGS)

# The versions that lint, types and tests run against, for every supported Python.
lock: $(READY)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --upgrade \
	  --no-header --no-annotate --no-emit-index-url --quiet --output-file constraints.txt

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) demo_data build
