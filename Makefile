# Everything runs in a virtual environment inside this folder; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without byte code at hand, pytest compiles every test anew in each run.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: rehearse test lint bench soak package clean

rehearse: $(VENV)/.core
	$(BIN)/oscp-sim rehearse scenarios

test: lint
	$(BIN)/pytest --numprocesses 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/vulture
	$(BIN)/python -m tests.house

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench.judging
	$(BIN)/python -m tests.bench.serving
	$(BIN)/python -m tests.bench.week

# 50,000 requests of random shape, and 1,000 examples of each property; the tests try 2,000 and 50.
soak: $(VENV)/.dev
	OSCP_RANDOM_REQUESTS=50000 $(BIN)/pytest tests/oscp_sim/test_random_requests.py
	OSCP_EXAMPLES=1000 $(BIN)/pytest --numprocesses 2 -m hypothesis

# A wheel, installed on its own, must work where there is no checkout.
package: $(VENV)/.core
	rm -rf dist build/package
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(PYTHON) -m venv build/package
	build/package/bin/pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt dist/*.whl
	cd build/package && bin/oscp-sim rehearse && bin/oscp-send --help

clean:
	rm -rf $(VENV) dist build

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(INSTALL) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.core
