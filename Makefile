# Each target sets up .venv by itself; the second call of any of them installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three for two cores: tests of screens and of processes wait half of their time.
PARALLEL := -n 3 --dist worksteal

.PHONY: help demo test test-fast lint format bench bench-check test-gpu soak clean

help:
	@echo "make demo    built-in faces on this machine: train a few minutes, see faces"
	@echo "make test    lint, types, import contracts and every test (what CI runs)"
	@echo "make lint    ruff, mypy, import contracts"
	@echo "make test-gpu   what only a CUDA device can show: the same bits, no waiting, memory"
	@echo "make bench   what this machine does: images/s, memory, share of peak"
	@echo "make bench-check   the goals of speed, as ratios; wants a quiet machine"
	@echo "make soak    kill workers and the engine at random, and take their open files away, 200 times and more; 200 runs of random keys; an hour of odd files"

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or newer) is not installed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try make PYTHON=python3.11 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/ddpm-tui demo

test: lint
	$(BIN)/pytest $(PARALLEL) -m "not gpu and not bench"

test-fast: $(STAMP)
	$(BIN)/pytest $(PARALLEL) -m "not slow and not e2e and not gpu and not bench"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/ddpm-tui bench

bench-check: $(STAMP)
	$(BIN)/pytest -m bench tests/bench

test-gpu: $(STAMP)
	$(BIN)/pytest -m gpu

soak: $(STAMP)
	DDPM_SOAK=200 DDPM_FUZZ_S=3600 $(BIN)/pytest -s -m slow tests/faults tests/engine/evaluation/test_hostile_onnx.py tests/ddpm_tui/test_keys_in_order.py

clean:
	rm -rf $(VENV) build dist
