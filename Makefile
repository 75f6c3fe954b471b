# Two commands: `make run` and `make test`. Each sets up what it needs; what is done already is skipped.
.DEFAULT_GOAL := help
.PHONY: help run test lint bars bench lock clean need-node
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
LOCK_ENV := .envs/lock
sum = $(shell cat $(1) | cksum | cut -d' ' -f1)

# A stamp says what stands in the environment: it is named for the locks, so an edit of these makes it stale.
RUNTIME := $(VENV)/.done-runtime-$(call sum,locks/runtime.txt pyproject.toml)
DEV := $(VENV)/.done-dev-$(call sum,locks/dev.txt pyproject.toml)
READY := $(firstword $(wildcard $(DEV)) $(RUNTIME))

define find_python
for python in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11; do \
  [ -n "$$python" ] && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
  python=; \
done; \
[ -n "$$python" ] || { echo "missing: Python >= 3.11 (python3 on PATH, or make PYTHON=/path/to/python3)" >&2; exit 1; }
endef

define install # $(1): lock file
@$(find_python); \
[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || { \
  echo "setup: Python environment in $(VENV) ($$("$$python" -V))"; \
  "$$python" -m venv --clear $(VENV) || { echo "missing: Python's venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }; }
@rm -f $(VENV)/.done-*
@echo "setup: packages of $(1)"
@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(1)
@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Set up and run the hub until Ctrl-C
	@$(BIN)/hubctl run

test: $(DEV) need-node ## Set up, check style and types, run every test
	@[ ! -f tests/real/setup.sh ] || bash tests/real/setup.sh
	@$(MAKE) lint
	@echo "test: pytest with coverage"
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

lint: $(DEV) ## Check style and types
	@echo "lint: ruff check, ruff format, mypy"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "lint: run $(BIN)/ruff format on these files:"; $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy --no-error-summary

bars: $(DEV) need-node ## Measure every figure that is promised: passed or failed
	@$(BIN)/python -m bench.bars

bench: $(DEV) ## Compare with other ways of doing it
	@$(BIN)/python -m bench

lock: $(LOCK_ENV)/bin/uv ## Recompile the lock files from pyproject.toml
	@echo "lock: locks/runtime.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) --group build -o locks/runtime.txt pyproject.toml
	@echo "lock: locks/dev.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) --group build --group dev -o locks/dev.txt pyproject.toml

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links $(UPGRADE)

clean: ## Remove environments and caches (the hub's data stays)
	@rm -rf $(VENV) .envs tests/real/node_modules build *.egg-info .coverage* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME):
	$(call install,locks/runtime.txt)
	@touch $@

$(DEV):
	$(call install,locks/dev.txt)
	@touch $@

need-node:
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
	  || { echo "missing: Node >= 20.19 (node on PATH); found: $$(node --version 2>/dev/null || echo none)" >&2; exit 1; }

$(LOCK_ENV)/bin/uv:
	@$(find_python); "$$python" -m venv $(LOCK_ENV)
	@$(LOCK_ENV)/bin/python -m pip install -qq --disable-pip-version-check uv
