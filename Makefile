# Two commands: `make run` and `make test`. Each sets up what it needs; what is done already is skipped.
.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-fast fuzz suites suite-front suite-browser set-up-tests generate conformance test-front test-browser matrix soak test-yamcp-ui need-yamcp-ui in-browser real-servers replicas catalog-check image image-test newcomer-test lint lint-python lint-node bars screenshots bench lock clean need-node audit sbom
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
LOCK_ENV := .envs/lock
AUDIT_ENV := .envs/audit
SBOM_ENV := .envs/sbom
# Where it is set, each process that a test starts compiles all of its source anew. Empty is unset.
export PYTHONDONTWRITEBYTECODE :=
sum = $(shell cat $(1) | cksum | cut -d' ' -f1)

# A stamp says what stands in the environment: it is named for the locks, so an edit of these makes it stale.
RUNTIME := $(VENV)/.done-runtime-$(call sum,locks/runtime.txt pyproject.toml)
DEV := $(VENV)/.done-dev-$(call sum,locks/dev.txt pyproject.toml)
READY := $(firstword $(wildcard $(DEV)) $(RUNTIME))
NODE_RUNTIME := node_modules/.done-runtime-$(call sum,package-lock.json)
NODE_DEV := node_modules/.done-dev-$(call sum,package-lock.json)
NODE_READY := $(firstword $(wildcard $(NODE_DEV)) $(NODE_RUNTIME))
NODE_TOOLS := node_modules/.bin

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
@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $(1)
@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

define install_node # $(1): further options of npm ci
@command -v npm >/dev/null || { echo "missing: npm (it comes with Node >= 20.19)" >&2; exit 1; }
@echo "setup: packages of package-lock.json"
@npm ci --loglevel=error --ignore-scripts --no-audit --no-fund $(1) >/dev/null \
  || { echo "setup: npm ci failed; its lines above say why" >&2; exit 1; }
endef

# Node's own coverage: every Node process that is started below here writes what it ran into this directory when it ends,
# the front of a `hubctl run` too; c8 adds it up (.c8rc.json says what counts).
NODE_COVERAGE := $(CURDIR)/.coverage-node
node_test = NODE_V8_COVERAGE="$(NODE_COVERAGE)" node --test --test-reporter=dot --test-reporter-destination=stdout --test-timeout=600000
FRONT := $(wildcard tests/front/*.test.mjs tests/front/*/*.test.mjs)
BROWSER := --test-concurrency=1 $(wildcard tests/browser/*.test.mjs)
PYTEST := $(BIN)/python -m pytest

# `make test` runs its suites side by side, JOBS at a time, as most tests wait for processes. A suite's output is printed
# when the suite ends; a suite that fails does not end the others. SUITE_RESULTS gets the seconds of each test (JUnit XML),
# the coverage of Python, and the names of the suites that failed.
JOBS := 3
SUITE_RESULTS := $(CURDIR)/.suites
SOAK_RESULTS := $(CURDIR)/.soak.jsonl
PYTEST_SUITES := acceptance-2 integration-1 integration-2 integration-3 faults acceptance-1 unit-1 unit-2 matrix conformance other
SUITES := acceptance-2 front browser $(filter-out acceptance-2,$(PYTEST_SUITES))
PYTEST_OPTIONS :=
# Coverage is measured in these suites. The others would add a few lines in a hundred, and take minutes longer: in
# integration-3, which starts whole hubs, only that of their fronts is.
COVERED := unit-1 unit-2 integration-1 integration-2
NODE_COVERED = $(if $(COVERED),$(COVERED) integration-3)
COVERAGE := --cov --cov-report= --cov-fail-under=0

# The longest suites come first. Whatever is new below tests/ is in one of them.
FILES_acceptance-1 := $(wildcard tests/acceptance/test_[!p-z]*.py)
FILES_acceptance-2 := $(wildcard tests/acceptance/test_[p-z]*.py)
FILES_unit-1 := tests/unit/sidecar tests/unit/bridge
FILES_unit-2 := tests/unit $(FILES_unit-1:%=--ignore=%)
FILES_integration-1 := $(wildcard tests/integration/[a-c]*/)
FILES_integration-2 := $(wildcard tests/integration/[!_a-c]*/)
FILES_integration-3 := $(wildcard tests/integration/test_*.py)
FILES_faults := tests/faults
FILES_matrix := tests/matrix
FILES_conformance := tests/conformance
FILES_other := tests $(foreach folder,acceptance unit integration faults matrix conformance,--ignore=tests/$(folder))

define suite # $(1): name, $(2): command
@echo "test: suite $(1)"; \
  { $(2); } </dev/null || { echo "$(1)" >>"$(SUITE_RESULTS)/failed"; echo "test: suite $(1) failed"; exit 1; }
endef
measured = COVERAGE_FILE="$(SUITE_RESULTS)/.coverage.$*" NODE_V8_COVERAGE="$(NODE_COVERAGE)"
junit = --test-reporter=junit --test-reporter-destination="$(SUITE_RESULTS)/$(1).xml"

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) $(NODE_READY) ## Set up and run the hub until Ctrl-C
	@$(BIN)/hubctl run

test: $(DEV) $(NODE_DEV) ## Set up, check style and types, run every test
	@$(MAKE) -j 2 --keep-going --output-sync=target set-up-tests lint
	@rm -rf "$(NODE_COVERAGE)"
	@$(MAKE) suites
	@echo "test: coverage of the Python parts"
	@$(BIN)/python -m tests.coverage_files "$(SUITE_RESULTS)"
	@$(BIN)/python -m coverage combine --quiet "$(SUITE_RESULTS)"
	@$(BIN)/python -m coverage report --skip-covered
	@echo "test: coverage of the Node parts"
	@$(NODE_TOOLS)/c8 report --temp-directory="$(NODE_COVERAGE)"
	@if [ "$$CI" = true ]; then $(MAKE) image-test; else echo "test: make image-test tests the container image"; fi

test-fast: $(DEV) $(NODE_DEV) ## Run every test but those of the client matrix, conformance, the browser and the image
	@bash tests/real/setup.sh
	@bash tests/integration/proxies/setup.sh
	@bash tests/integration/databases/setup.sh
	@bash tests/kubernetes/setup.sh
	@bash tests/integration/containers/setup.sh --install || [ $$? = 3 ]
	@$(MAKE) suites SUITES="$(filter-out matrix conformance browser,$(SUITES))" COVERED=

test-unit: $(DEV) ## Run the tests that start no process and open no network socket
	@$(MAKE) suites JOBS=2 SUITES="unit-1 unit-2" COVERED= PYTEST_OPTIONS="-q -m 'not outside'"

# All that suites need, one after another: some of it is installed with apt-get.
set-up-tests: $(DEV) $(NODE_DEV)
	@bash tests/real/setup.sh
	@bash tests/matrix/setup.sh
	@bash tests/integration/proxies/setup.sh
	@bash tests/integration/databases/setup.sh
	@bash tests/kubernetes/setup.sh
	@bash tests/integration/containers/setup.sh --install || [ $$? = 3 ]
	@bash tests/conformance/setup.sh
	@bash tests/browser/setup.sh || [ $$? = 3 ]
	@bash tests/unit/hubctl/setup.sh || [ $$? = 3 ]

fuzz: $(DEV) ## Try each property of the unit tests with EXAMPLES (5000) random inputs; what it finds becomes an @example
	@FUZZ_EXAMPLES="$(or $(EXAMPLES),5000)" $(PYTEST) -q --timeout=7200 --hypothesis-profile=fuzz -m hypothesis tests/unit

suites: $(DEV) $(NODE_DEV)
	@rm -rf "$(SUITE_RESULTS)"
	@mkdir "$(SUITE_RESULTS)"
	@echo "test: $(SUITES), $(JOBS) at a time"
	@$(MAKE) -j $(JOBS) --keep-going --output-sync=target $(SUITES:%=suite-%) \
	  || { echo "test: failed:" $$(cat "$(SUITE_RESULTS)/failed") >&2; exit 1; }
	@$(BIN)/python -m tests.slowest "$(SUITE_RESULTS)"

$(PYTEST_SUITES:%=suite-%): suite-%:
	$(call suite,$*,$(if $(filter $*,$(NODE_COVERED)),$(measured)) $(PYTEST) -p no:cacheprovider $(if $(filter $*,$(COVERED)),$(COVERAGE)) \
	  $(PYTEST_OPTIONS) --junitxml="$(SUITE_RESULTS)/$*.xml" $(FILES_$*))

suite-front:
	$(call suite,front,$(node_test) $(call junit,front) $(FRONT))

suite-browser:
	$(call suite,browser,bash tests/browser/setup.sh && $(node_test) $(call junit,browser) $(BROWSER) || [ $$? = 3 ])

test-front: $(DEV) $(NODE_DEV) ## Run the tests of the Node parts alone
	@bash tests/real/setup.sh >/dev/null
	@echo "test: node --test tests/front"
	@$(node_test) $(FRONT)

matrix: $(DEV) $(NODE_DEV) ## Run other projects' MCP clients against a hub alone; WRITE=1: the table in docs/clients.md, too
	@bash tests/real/setup.sh
	@bash tests/matrix/setup.sh
	@MATRIX_WRITE="$(WRITE)" $(BIN)/python -m pytest -q tests/matrix

soak: $(DEV) $(NODE_DEV) ## Faults under load for HUB_SOAK_MINUTES (30), leaks, 10,000 hostile requests, 20 reloads; fills docs/reliability.md
	@bash tests/real/setup.sh
	@rm -f "$(SOAK_RESULTS)"
	@failed=0; export HUB_FAULTS_RESULTS="$(SOAK_RESULTS)"; \
	RELOADS=20 RELOAD_CLIENTS=48 $(PYTEST) -q tests/integration/test_reload.py || failed=1; \
	HUB_LEAKS_SCALE=1 HUB_HOSTILE_REQUESTS=10000 HUB_RAPID_EDITS=1000 $(PYTEST) -q \
	  tests/faults/test_leaks.py tests/faults/test_hostile_requests.py tests/faults/test_broken_files.py || failed=1; \
	HUB_FAULTS_SECONDS=2 $(BIN)/python -m tests.faults.soak || failed=1; \
	$(BIN)/python -m tests.faults.report "$(SOAK_RESULTS)"; exit $$failed

real-servers: $(DEV) $(NODE_DEV) ## 25 servers of npm and PyPI and a dozen odd ones in one workspace, with four makes of clients (network)
	@bash tests/real/setup.sh
	@bash tests/real_servers/setup.sh
	@$(BIN)/python -m tests.real_servers

catalog-check: $(DEV) ## Install and start every shipped entry of the catalogue that needs no key; WRITE=1: dates and tools into it, too (network)
	@$(BIN)/python -m tests.catalog $(if $(WRITE),--write)

replicas: $(DEV) $(NODE_DEV) ## Three replicas behind nginx and Envoy: SESSIONS (1000) of each transport, kill -9, rolling restart, partitions, clocks; WRITE=1: into docs/scaling.md, too
	@CI=true bash tests/integration/proxies/setup.sh nginx envoy
	@CI=true bash tests/integration/databases/setup.sh
	@$(PYTEST) -q tests/integration/databases/test_placement.py -k never_both
	@$(BIN)/python -m tests.replicas --sessions $(or $(SESSIONS),1000) $(if $(WRITE),--write)

search-recall: $(DEV) ## Install 25 real servers from locks and measure how well the tool search finds their tools (network)
	@bash tests/search/setup.sh
	@$(BIN)/python -m tests.search $(if $(WRITE),--write)

test-browser: $(DEV) $(NODE_DEV) ## Run the tests in a real browser alone
	@bash tests/real/setup.sh >/dev/null
	@echo "test: node --test tests/browser"
	@bash tests/browser/setup.sh; case $$? in 0) $(MAKE) in-browser;; 3) ;; *) exit 1;; esac

# Its first prerequisite says what is missing before anything is set up. The date and versions go with the output into docs.
test-yamcp-ui: need-yamcp-ui $(DEV) $(NODE_DEV) ## Test the overlay on a built YAMCP-UI: HUB_YAMCP_UI_DIR=<dir>
	@bash tests/real/setup.sh
	@CI=true bash tests/browser/setup.sh
	@echo "YAMCP-UI $$(node -p 'require(process.argv[1]).version' "$(abspath $(HUB_YAMCP_UI_DIR))/package.json"), Node $$(node --version), $$(date -u +%F)"
	@TEST_YAMCP_UI_DIR="$(abspath $(HUB_YAMCP_UI_DIR))" node --test --test-reporter=spec --test-timeout=600000 --test-concurrency=1 \
	  tests/standin/compare.test.mjs $(wildcard tests/browser/overlay*.test.mjs)

need-yamcp-ui:
	@[ -n "$(HUB_YAMCP_UI_DIR)" ] && [ -f "$(HUB_YAMCP_UI_DIR)/server.mjs" ] && [ -f "$(HUB_YAMCP_UI_DIR)/dist/index.html" ] \
	  || { echo "missing: a built YAMCP-UI (server.mjs and dist/index.html): make test-yamcp-ui HUB_YAMCP_UI_DIR=<dir>; got: $(or $(HUB_YAMCP_UI_DIR),nothing)" >&2; exit 1; }

in-browser:
	@$(node_test) $(BROWSER)

image: ## Build the container image: IMAGE=<name>, YAMCP_UI=<dir of a built YAMCP-UI> to have it inside
	@bash container/build.sh --tag "$(or $(IMAGE),yamcp-hub)" $(if $(YAMCP_UI),--yamcp-ui "$(YAMCP_UI)")

image-test: $(NODE_DEV) ## Build the container image and test it, with the console and with a stand-in for YAMCP-UI
	@bash tests/real/setup.sh
	@bash tests/integration/proxies/setup.sh nginx haproxy
	@bash tests/kubernetes/setup.sh
	@CI=true bash tests/browser/setup.sh
	@echo "test: node --test tests/container"
	@bash tests/container/run.sh

newcomer-test: ## Follow README.md and docs/workflow.md as a new user on a fresh Debian in a container (network, minutes)
	@bash tests/container/newcomer.sh

conformance: $(DEV) ## Run MCP's official conformance suite through the hub: the table of docs/conformance.md
	@CI=true bash tests/conformance/setup.sh >&2
	@$(BIN)/python -m tests.conformance

generate: $(DEV) ## Write what is made from other files: of bridge/models/ for Node and docs; schemas and tables of the API; the catalogue's schema
	@$(BIN)/python -m bridge.generate
	@$(BIN)/python -m yamcp_ui_adapter.catalog.schema
	@if [ -d node_modules/ts-json-schema-generator ]; then node front/cli/describe_api.mjs; \
	  else echo "generate: the API's schemas and tables need the Node packages for development (make lint installs them)" >&2; fi

lint: $(DEV) $(NODE_DEV) ## Check style and types
	@$(MAKE) -j 2 --keep-going --output-sync=target lint-python lint-node

lint-python:
	@echo "lint: ruff check, ruff format, mypy"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "lint: run $(BIN)/ruff format on these files:"; $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy --no-error-summary

lint-node:
	@echo "lint: eslint, prettier, tsc"
	@$(NODE_TOOLS)/eslint --max-warnings 0 .
	@$(NODE_TOOLS)/prettier --log-level warn --check .
	@$(NODE_TOOLS)/tsc -p .

audit: need-node ## Ask public data about vulnerabilities of every locked package (where it can be reached)
	@[ -x $(AUDIT_ENV)/bin/python ] || { $(find_python); "$$python" -m venv $(AUDIT_ENV); }
	@[ -x $(AUDIT_ENV)/bin/pip-audit ] || $(AUDIT_ENV)/bin/python -m pip install -qq --disable-pip-version-check pip-audit || true
	@$(AUDIT_ENV)/bin/python -m tests.audit

sbom: need-node ## Write a software bill of materials (CycloneDX) for Python and one for Node into build/
	@[ -x $(SBOM_ENV)/bin/python ] || { $(find_python); "$$python" -m venv $(SBOM_ENV); }
	@[ -x $(SBOM_ENV)/bin/cyclonedx-py ] || $(SBOM_ENV)/bin/python -m pip install -qq --disable-pip-version-check \
	  'cyclonedx-bom==7.5.0' 'cyclonedx-python-lib[json-validation]'
	@$(SBOM_ENV)/bin/python -W ignore -m tests.sbom build

bars: $(DEV) $(NODE_DEV) ## Measure every figure that is promised (DOCS=1: into docs/benchmarks.md, too)
	@bash bench/peers/setup.sh
	@$(BIN)/python -m bench.bars $(if $(DOCS),--docs)

screenshots: $(DEV) $(NODE_DEV) ## Take the pictures of the console that docs show (docs/images)
	@CI=true bash tests/browser/setup.sh
	@node tests/browser/screenshots.mjs

bench: $(DEV) $(NODE_DEV) ## Compare with peers and other ways of doing it (DOCS=1: into docs/benchmarks.md, too)
	@bash bench/peers/setup.sh
	@$(BIN)/python -m bench $(if $(DOCS),--docs)

lock: $(LOCK_ENV)/bin/uv ## Recompile the lock files from pyproject.toml
	@echo "lock: locks/runtime.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) --group build -o locks/runtime.txt pyproject.toml
	@echo "lock: locks/dev.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) --group build --group dev -o locks/dev.txt pyproject.toml
	@for clients in clients-mcp1 clients-mcp2; do echo "lock: locks/$$clients.txt"; \
	  $(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) -o locks/$$clients.txt locks/$$clients.in || exit 1; done
	@echo "lock: locks/schemathesis.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) -o locks/schemathesis.txt locks/schemathesis.in
	@echo "lock: locks/balancers.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) -o locks/balancers.txt locks/balancers.in
	@echo "lock: locks/kubernetes.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet --no-deps $(LOCK_OPTIONS) -o locks/kubernetes.txt locks/kubernetes.in
	@for servers in search-mcp1 search-mcp2; do echo "lock: locks/$$servers.txt"; \
	  $(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) -o locks/$$servers.txt locks/$$servers.in || exit 1; done
	@echo "lock: locks/image.txt"
	@$(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) -o locks/image.txt locks/image.in
	@echo "lock: bench/peers"
	@for name in mcp_proxy contextforge; do \
	  $(LOCK_ENV)/bin/uv pip compile --quiet $(LOCK_OPTIONS) -o bench/peers/$$name.txt bench/peers/$$name.in; done

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links $(UPGRADE)

clean: ## Remove environments and caches (the hub's data stays)
	@rm -rf $(VENV) .envs node_modules tests/real/node_modules tests/matrix/node_modules tests/conformance/node_modules tests/search/node_modules tests/kubernetes/node_modules build *.egg-info .coverage* .suites htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME):
	$(call install,locks/runtime.txt)
	@touch $@

$(DEV):
	$(call install,locks/dev.txt)
	@touch $@

$(NODE_RUNTIME): | need-node
	$(call install_node,--omit=dev)
	@touch $@

$(NODE_DEV): | need-node
	$(call install_node)
	@touch $@

need-node:
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
	  || { echo "missing: Node >= 20.19 (node on PATH); found: $$(node --version 2>/dev/null || echo none)" >&2; exit 1; }

$(LOCK_ENV)/bin/uv:
	@$(find_python); "$$python" -m venv $(LOCK_ENV)
	@$(LOCK_ENV)/bin/python -m pip install -qq --disable-pip-version-check uv
