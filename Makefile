# OpsWatch: `make run` starts it, `make test` is what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
VENDOR := dashboards/static/vendor

.PHONY: help install run test soak format bench docs requirements clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed $(VENDOR)/.installed ## Make .venv with the pinned requirements, and the front-end assets

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "OpsWatch needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Point make to one: make install PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned requirements into $(VENV) ..."
	@$(PIP) install --quiet --require-hashes -r requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	@echo "Installing the test requirements ..."
	@$(PIP) install --quiet --require-hashes -r requirements-test.txt
	@touch $@

# Front-end libraries come from npm by lock file; where there is no Node, a wheel brings it.
$(VENDOR)/.installed: package.json package-lock.json requirements-node.txt | $(VENV)/.installed
	@command -v npm >/dev/null 2>&1 || test -x $(BIN)/npm || { echo "No Node here: installing it into $(VENV) ..."; $(PIP) install --quiet --require-hashes -r requirements-node.txt; }
	@echo "Installing the front-end libraries ..."
	@PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --silent --no-audit --no-fund --ignore-scripts
	@mkdir -p $(VENDOR)
	@cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css $(VENDOR)/
	@cp node_modules/uplot/LICENSE $(VENDOR)/uPlot.LICENSE
	@touch $@

opswatch.yaml: | $(VENV)/.installed
	@$(BIN)/opswatch init

run: install opswatch.yaml ## Start everything in the foreground, with the data under ./.opswatch
	@exec $(BIN)/opswatch run

test: install $(VENV)/.installed-test ## What CI runs: format, lint, types, import contracts, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist loadfile --no-loadscope-reorder

soak: install $(VENV)/.installed-test ## The longer proofs (200 kills, and more); some 20 minutes
	@$(BIN)/python -m pytest -m soak

format: $(VENV)/.installed-test ## Format and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install $(VENV)/.installed-test ## Measure against the peers that are here (docs/performance.md)
	@$(BIN)/python -m bench

docs: $(VENV)/.installed-test ## Generate the configuration reference, the OpenAPI document, the tasks of InfluxDB, the dashboards of Grafana, the schema of rules
	@$(BIN)/python -m opswatch.configuration_reference
	@$(BIN)/python -m api.openapi
	@$(BIN)/python -m opswatch.influx_tasks
	@$(BIN)/python -m opswatch.influx_dashboards
	@$(BIN)/python -m opswatch.rules_schema

COMPILE := CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe --upgrade
requirements: $(VENV)/.installed ## Pin the newest allowed versions, with hashes
	@$(PIP) install --quiet pip-tools
	@$(COMPILE) -o requirements.txt pyproject.toml requirements-install.in
	@$(COMPILE) --extra test -o requirements-test.txt pyproject.toml requirements-install.in
	@$(COMPILE) -o requirements-node.txt requirements-node.in

clean: ## Remove what install made; the data stays
	@rm -rf $(VENV) node_modules $(VENDOR)
