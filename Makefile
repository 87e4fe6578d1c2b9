# make demo | make serve | make test | make coverage | make models | make check | make docs | make lock | make clean
# Needs Python 3.11 to 3.13 and the package registries; everything else is installed into .venv and models/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Compiled at installation: whoever runs this may not be allowed to write here. UV_COMPILE_BYTECODE=0 leaves it to the imports.
export UV_COMPILE_BYTECODE ?= 1

.PHONY: demo serve deploy test test-fast coverage models check format docs lock clean

demo: $(STAMP) models
	@$(BIN)/python -m flows.server.demo demo

# The Prefect UI on this machine, with every deployment and two workers, until Ctrl-C.
PORT ?= 4200
# How many of its runs infer at a time.
GPUS ?= 1
serve: $(STAMP) models
	@exec $(BIN)/python -m flows.server.serve --port $(PORT) --gpus $(GPUS)

# Everything onto the server that PREFECT_API_URL names.
deploy: $(STAMP)
	@$(BIN)/python -m flows.server.deploy --gpus $(GPUS)

# What to run instead of everything, and in how many processes: each loads models of its own, 1.5 GB.
TESTS ?=
JOBS ?= auto
test: $(STAMP) models
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist loadfile $(TESTS)

# What runs while typing: no model is loaded.
test-fast: $(STAMP)
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist loadfile -m 'not slow'

# Which lines the fast tests reach: a place to look, not a thing to aim at. Commands in processes of their own do not count.
coverage: $(STAMP)
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist loadfile -m 'not slow' -q --cov --cov-report=term

models: $(STAMP)
	@$(BIN)/step4 models fetch offline

check: $(STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(STAMP)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

# The site of docs/ in site/, after its generated pages were written anew.
docs: $(STAMP)
	@$(BIN)/python docs/generate.py
	@$(BIN)/mkdocs build --strict --quiet

# uv comes from the registry like everything else; it installs the locked set in a fraction of pip's time.
$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
	  f"step4 needs Python 3.11 to 3.13, found {v[0]}.{v[1]}: choose one with make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "step4 needs the venv module of $(PYTHON): on Debian, apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	@UV_COMPILE_BYTECODE=0 $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@[ "$(UV_COMPILE_BYTECODE)" = 0 ] || $(BIN)/python -m compileall -q flows tasks profiles
	@touch $@

# Hashes for every platform and Python, no registry addresses.
lock:
	@test -x $(BIN)/uv || $(MAKE) $(STAMP)
	@$(BIN)/uv pip compile --quiet pyproject.toml --universal --fork-strategy fewest \
	  --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --output-file requirements.txt
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --fork-strategy fewest \
	  --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --constraint requirements.txt --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) demo site .pytest_cache .mypy_cache .ruff_cache
