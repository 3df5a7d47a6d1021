# Every target sets up .venv by itself. Without make: the same commands stand in README.md for plain pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
D2L := $(VENV)/.d2l
SITE := $(VENV)/.site
BROWSER := $(VENV)/.browser
TEACH := .venv-teach
JOBS ?= 2
# From the command line alone, as in `make run LANGUAGE=zh`: gettext has an environment variable of this name.
EDITION := $(if $(filter command,$(origin LANGUAGE)),$(LANGUAGE))

.DEFAULT_GOAL := help
.PHONY: help setup d2l run lab test test-gpu test-book test-versions test-fire test-teach test-outputs hermetic resolve bench notebooks lint doctor clean site test-browser pictures

##@ The course

help:  ## list the targets
	@awk -F':.*## ' '/^##@/ {print "\n" substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## create .venv with the pinned versions of constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; '$(PYTHON)' is older or missing. Try: make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV): some minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch hatchling editables babel
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev,beyond,book]'
	@touch $(READY)

d2l: $(D2L)  ## install the book's own package beside current libraries

$(D2L): $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --no-warn-conflicts -c constraints.txt d2l
	@touch $(D2L)

run: $(READY) $(D2L)  ## execute all notebooks headless and report a line each; in Chinese: LANGUAGE=zh
	@$(BIN)/python -m tools.execute --language $(or $(EDITION),en) --jobs $(JOBS)

lab: $(READY)  ## your own copy of the course, in my-course/, opened in JupyterLab on this machine only; in Chinese: LANGUAGE=zh
	@$(BIN)/python -m d2lcompute start my-course $(if $(EDITION),--lang $(EDITION))

doctor: $(READY)  ## say what is installed here and what is missing
	@$(BIN)/python -m d2lcompute

clean:  ## remove .venv, the built site and caches
	rm -rf docs/_build $(VENV) .venv-oldest .venv-newest $(TEACH) .pytest_cache .mypy_cache .ruff_cache .hypothesis

##@ Before a change is kept

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: lint $(D2L)  ## lint, types, unit tests, doctests, and every stored output compared with a fresh run
	@$(BIN)/python -m tools.suite --jobs $(JOBS)

notebooks: $(READY)  ## write the exercises into the notebooks, execute all, and store their outputs
	@$(BIN)/python -m tools.exercises
	@$(BIN)/python -m tools.execute --store --jobs $(JOBS)

##@ The site

$(SITE): $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation --editable '.[site]'
	@touch $(SITE)

$(BROWSER): $(SITE)
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation --editable '.[browser]'
	@touch $(BROWSER)

site: $(SITE)  ## the course as pages in two languages, in docs/_build/html
	@$(BIN)/python -m tools.site

test-browser: $(BROWSER)  ## build the site, and test it and JupyterLab in a real browser (Debian's chromium)
	@$(BIN)/python -m tools.browser --jobs $(JOBS)

pictures: $(BROWSER)  ## draw the pictures of README.md anew
	@$(BIN)/python -m tools.pictures

##@ Evidence: what docs/ says was measured, minutes to hours each

test-outputs: $(READY) $(D2L)  ## alter each stored output once, and see validation fail each time
	@$(BIN)/python -m tools.evidence.alter --write --jobs $(JOBS)

hermetic: $(READY) $(D2L)  ## validate without a network, read-only, with other instruction sets, and in other ways
	@$(BIN)/python -m tools.evidence.hermetic --write --jobs $(JOBS)

test-fire: $(READY) $(D2L)  ## kill, cut, flip, fill and interrupt checkpoints for long; compile the modules
	D2LCOMPUTE_KILL_ROUNDS=200 D2LCOMPUTE_FLIP_ROUNDS=500 D2LCOMPUTE_THOROUGH=1 D2LCOMPUTE_DEVICE=cpu OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -q -n $(JOBS) tests/checkpoints/fire tests/properties/test_compiled.py

test-teach: $(TEACH)/.ready  ## the exported assignments in the hands of nbgrader and Otter-Grader, in .venv-teach
	D2LCOMPUTE_DEVICE=cpu OMP_NUM_THREADS=1 $(TEACH)/bin/python -m pytest -q tests/exporting

# What these two need beside .venv, and .venv's packages for the rest: torch is not installed twice.
$(TEACH)/.ready: $(READY)
	$(BIN)/python -m venv --clear $(TEACH)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > "$$($(TEACH)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/beside.pth"
	$(TEACH)/bin/python -m pip install --quiet -c constraints.txt nbgrader otter-grader
	@touch $(TEACH)/.ready

test-gpu: $(READY)  ## the notebooks and the device tests on this machine's accelerators; without any, says so
	@$(BIN)/python -m tools.accelerator

test-book: $(READY)  ## the whole suite beside torchvision and the book's package as it is, in .venv-newest
	@$(BIN)/python -m tools.evidence.versions --jobs $(JOBS) newest

test-versions: $(READY)  ## the whole suite with the oldest and the newest versions, in .venv-oldest and .venv-newest
	@$(BIN)/python -m tools.evidence.versions --jobs $(JOBS)

resolve: $(READY)  ## ask pip, without installing, for a wheel of every pin on other systems and Pythons
	@$(BIN)/python -m tools.evidence.resolve

bench: $(READY) $(D2L)  ## measure against torch, safetensors and the book's package; writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks
