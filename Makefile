# Everything sets itself up: a virtual environment in .venv, made once and again when the
# dependencies change.
PYTHON ?= python3
BIN := .venv/bin
export OMP_WAIT_POLICY := PASSIVE
export OMP_NUM_THREADS ?= 2
export MPLBACKEND := Agg
export HF_HUB_OFFLINE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format bench sample-models readme clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready ## make the virtual environment

.venv/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv (once; a few minutes, most of it PyTorch) ..."
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,tensorboard]'
	@touch $@

demo: .venv/.ready ## examine a sick and a healthy network
	@$(BIN)/python -m sample_models.demo

test: .venv/.ready ## run the tests, the long matrices left out
	$(BIN)/python -m pytest

test-all: .venv/.ready ## run every test
	$(BIN)/python -m pytest -m 'slow or not slow'

check: .venv/.ready ## lint, format, types, README and rule pages against the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.readme --check

format: .venv/.ready ## format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

bench: .venv/.ready ## measure against the limits and write bench.json
	$(BIN)/python -m tests.benchmarks

sample-models: .venv/.ready ## train the sample models again
	$(BIN)/python -m sample_models.train

readme: .venv/.ready ## write the generated parts of README.md again
	$(BIN)/python -m tests.readme --write

clean: ## remove what the targets made, the virtual environment included
	rm -rf .venv demo-out netdoctor-out .pytest_cache .mypy_cache .ruff_cache
