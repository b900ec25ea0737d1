# `make lab` opens the notebooks, `make test` runs all tests, `make site` builds the documentation in build/site/html (Python
# 3.11 or newer).  Each sets itself up in .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# What was set up: what a reader needs, on top of it what a tester needs, and what the site needs.
READER := $(VENV)/.installed-notebooks
TESTER := $(VENV)/.installed
WRITER := $(VENV)/.installed-site

# Jupyter asks for this when it is run as root, as in a container.
ROOT_ARGS := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test site notebooks graders lite lite-test lint format lock clean

# The whole repository is what JupyterLab shows, so that the notebooks' links to other files open.
lab: $(READER)
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_map.ipynb $(ROOT_ARGS) $(LAB_ARGS)

# One process per core, file by file, each with one thread for matrix products, and idle threads that sleep.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 GOMP_SPINCOUNT=0 \
    $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: $(TESTER)
	$(PYTEST) tests
	$(PYTEST) --nbval notebooks/

# Set up once; again only when the list of packages changes.  The lock file fixes every version that was tested.
# $(1): the extra of pyproject.toml
define set_up
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "vitedu needs Python 3.10 or newer, this is " + sys.version'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(1)]"
endef

$(READER): pyproject.toml constraints.txt
	$(call set_up,notebooks)
	@touch $@

$(TESTER): pyproject.toml constraints.txt
	$(call set_up,test)
	@touch $(READER) $(WRITER) $@

$(WRITER): pyproject.toml constraints.txt
	$(call set_up,site)
	@touch $@

# Every page from the files of this repository, every warning an error; no notebook is run.  SITE_ARGS="--only 03 05": a part.
site: $(WRITER)
	PYTHONPATH=docs $(BIN)/python -m website $(SITE_ARGS)

# Run every notebook top to bottom and store what it printed.
notebooks: $(READER)
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb
	$(BIN)/python tests/tidy_notebooks.py
	PYTHONPATH=docs $(BIN)/python -m website.way

# A lesson through nbgrader and otter themselves, which stay out of .venv: they add panels to JupyterLab.
GRADERS := build/graders

graders: $(GRADERS)/.installed
	$(GRADERS)/bin/python -m pytest tests/course/test_graders.py

$(GRADERS)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(GRADERS)
	$(GRADERS)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[course]" pytest
	@touch $@

# Notebooks 00-07 as a site that runs in a browser, without PyTorch: public/lite.  Its tools stay out of .venv.
LITE := build/lite

lite: $(LITE)/.installed
	$(LITE)/venv/bin/python lite/build.py --out public/lite

lite-test: lite $(TESTER)
	$(BIN)/python -m pytest tests/browser/lite.py

$(LITE)/.installed: lite/requirements.txt
	$(PYTHON) -m venv $(LITE)/venv
	$(LITE)/venv/bin/python -m pip install --quiet --requirement lite/requirements.txt
	@touch $@

lint: $(TESTER)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(TESTER)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock: the newest versions that pyproject.toml admits, for every platform and Python >= 3.10.
lock: $(TESTER)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --all-extras --no-annotate --no-header \
	    --no-emit-package vitedu --upgrade pyproject.toml --output-file constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache build public *.egg-info
