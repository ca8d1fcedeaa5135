# Two commands do all the set-up on a fresh machine with Python >= 3.11, make and a package index:
#   make plan   runs the main job and writes plan.md
#   make test   runs every test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: board model-files fuzz site mutants plan ui test lint types contracts check reports docs verify stress bench clean

plan: $(STAMP)
	$(BIN)/hwmodel plan --gpus 1024xA100 --tokens 1.4T --out plan.md
	@echo "wrote plan.md"

ui: $(STAMP)  ## the page in a browser: make ui PORT=8765
	$(BIN)/hwmodel ui --port $(or $(PORT),8765)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

check: lint types contracts
	$(BIN)/hwmodel catalog check

reports: $(STAMP)
	$(BIN)/python reports/make.py

docs: $(STAMP)
	$(BIN)/hwmodel catalog docs
	$(BIN)/hwmodel law docs docs/laws
	$(BIN)/python -m hwmodel.validation.board.published_page
	$(BIN)/python -m hwmodel.validation.board.accuracy_page
	$(BIN)/python -m hwmodel.validation.board.training_numbers
	$(BIN)/python docs/cli_reference.py
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/python docs/step.py
	for kind in accelerators systems models plan; do \
		$(BIN)/hwmodel catalog schema $$kind --out catalogs/schema/$$kind.schema.json || exit 1; done

# Names in launch files against the tools' own packages, read by syntax tree, none of them imported (about 1 GB).
VERIFY := build/verify
verify: $(STAMP)
	for each in $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["verify"])'); do \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --ignore-requires-python \
			--upgrade --target $(VERIFY)/$${each%%==*} $$each || exit 1; done
	HWMODEL_VERIFY_SITE=$(VERIFY) $(BIN)/python -m pytest -q tests/interop

# Model files drawn from a seed, counted by the classes of transformers, against our readers (about 1 GB).
model-files: $(STAMP)
	test -x build/classes/bin/python || $(PYTHON) -m venv build/classes
	build/classes/bin/python -m pip install --quiet torch transformers==5.24.0
	build/classes/bin/python tests/golden/draw_model_files.py --seed $(or $(SEED),0) --each $(or $(EACH),3) \
		> build/drawn-$(or $(SEED),0).jsonl
	HWMODEL_DRAWN=build/drawn-$(or $(SEED),0).jsonl $(BIN)/python -m pytest -q tests/interop/test_families.py -k drawn_files

# Ten thousand questions drawn from the API's description (1.5 minutes on two cores beside other work), fifty users at
# once (1), 250 drawn sweeps against single plans and brute force (3), sweeps whose processes are killed, stopped or
# starved, 20 times each kind (10).
stress: $(STAMP)
	HWMODEL_CASES=10000 $(BIN)/python -m pytest -q -n 2 tests/web/test_schema.py
	$(BIN)/python benchmarks/page.py
	HWMODEL_DRAWN_SPACES=250 $(BIN)/python -m pytest -q -n 2 tests/solve/sweep/test_drawn.py
	HWMODEL_STRESS=20 $(BIN)/python -m pytest -q tests/solve/sweep/test_faults.py

# The documentation as a site in build/site.
site: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[docs]'
	$(BIN)/zensical build --clean --strict

bench: $(STAMP)
	for each in benchmarks/*.py; do $(BIN)/python $$each || exit 1; done

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("hwmodel needs Python >= 3.11, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# The errors of single runs by this version, which the tests hold later ones to.
board: $(STAMP)
	$(BIN)/python -m hwmodel.validation.board.single_runs

# Faults planted one at a time; each must die in the tests of its folder (docs/testing.md). Takes half an hour.
mutants: $(STAMP)
	$(BIN)/python -m tests.mutants --seed $(or $(SEED),13)

clean:
	rm -rf $(VENV) build dist plan.md plan-*.svg

# Draws questions and cheap inputs, checks what must hold of every answer, prints a table; goes on where the seed ended.
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/campaign.py --seed $(or $(SEED),0) --minutes $(or $(MINUTES),10) & \
	$(BIN)/python tests/fuzz/campaign.py --seed $$(( $(or $(SEED),0) + 500000000 )) --minutes $(or $(MINUTES),10); wait
