# `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Folder of mini-swe-agent runs for the ingest benchmark.
RUNS ?= ../shared/data/trajectories/mini-swe-agent-v1/trajs
UV = $(or $(shell command -v uv),$(BIN)/uv)
# pip looks into its local wheel folders by itself, uv only when told.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: help setup demo dev test lint types layers tests bench lock clean

help:
	@echo "make demo   set up, then the whole chain on generated tasks"
	@echo "make dev    the Dagster UI on http://localhost:3000"
	@echo "make test   set up, then lint, types, layers and tests"
	@echo "make bench  the figures of the README"
	@echo "make lock   resolve the dependencies again"

setup: $(READY)

$(READY): pyproject.toml requirements.lock
	@echo "setting up $(VENV)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) \
		|| { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@test -x "$(UV)" || $(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(UV) pip install --quiet --python $(BIN)/python -e ".[dev]" --constraint requirements.lock
	@touch $(READY)

demo: setup
	@$(BIN)/srft demo

dev: setup
	@$(BIN)/srft dev

test: lint types layers tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports --no-cache

tests: setup
	$(BIN)/pytest -n 2 --dist loadfile

bench: setup
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/ingest.py $(RUNS)
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/warehouse.py
	$(BIN)/python benchmarks/dagster_share.py

# torch pins its own CUDA packages; locking them here would install them beside a CPU build.
lock:
	env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(UV) pip compile --quiet --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --extra dev pyproject.toml \
		| grep -vE '^(nvidia-|triton|cuda-)' > requirements.lock

clean:
	rm -rf warehouse warehouse.duckdb artifacts runs inbox
