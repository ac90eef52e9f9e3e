# Needs Python >= 3.11 with pip, and make. PostgreSQL comes with the installation.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help up test check bench generate clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[pack,prices]'
	@touch $@

$(BIN)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(BIN)/.run

up: $(BIN)/.run ## start the service and its database; Ctrl-C stops both
	@exec $(BIN)/cynic up $(ARGS)

test: $(BIN)/.dev ## run the whole test suite against PostgreSQL servers it starts itself
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)
ifeq ($(ARGS),)
	CYNIC_TEST_PG=16 $(BIN)/python -m pytest -n 2 --dist loadgroup tests/schema
endif

check: $(BIN)/.dev ## lint, format, types, import law, generated files, SQL lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/squawk --config .squawk.toml src/cynic/db/migrations/*.sql
	$(BIN)/python tools/generate.py --check

generate: $(BIN)/.dev ## regenerate rows.py, the schema snapshot and docs/reference
	$(BIN)/python tools/generate.py

bench: $(BIN)/.dev ## print each ratio against its limit, measured in the same run
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove the virtual environment and caches; never touches data
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
