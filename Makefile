# One page of commands. `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# uv looks into local wheel folders only when told, pip does so by itself.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
UV = $(shell command -v uv || echo $(BIN)/uv)

.PHONY: help setup demo test lint dev bench lock clean

help:
	@echo "make demo   set up, then the whole chain on generated tasks"
	@echo "make dev    the Dagster UI on http://localhost:3000"
	@echo "make test   set up, then lint, types, layers and tests"
	@echo "make bench  the figures of the README"

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x "$$(command -v uv)" || test -x $(BIN)/uv || $(BIN)/pip install --quiet uv
	$(UV) pip install --quiet --python $(BIN)/python -e ".[dev]" --constraint requirements.lock
	@touch $(STAMP)

# torch's own CUDA packages are pinned by torch itself: locking them here would
# install them on machines whose torch is a CPU build.
lock:
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-find-links --no-header \
		--no-annotate --all-extras-except-vllm pyproject.toml -o requirements.lock
