# Needs Python >= 3.11, make and a package index. `make demo` and `make test` set up everything themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check bench bench-speed bench-other-libraries bench-parity bench-busy bench-faults bench-load docs release clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("utad needs Python >= 3.11, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/utad demo --output demo

# Two processes: a test computes in one thread. Those of a file share fixtures and stay in one process.
test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(STAMP)
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/end_to_end.py
	$(BIN)/python docs/render.py
	@echo 'also: make bench-speed, bench-other-libraries, bench-parity (exports against models), bench-busy,'
	@echo 'bench-load and bench-faults (serving)'

bench-speed: $(STAMP)
	$(BIN)/python benchmarks/speed.py --training
	$(BIN)/python docs/render.py

bench-other-libraries: $(STAMP)
	$(BIN)/python benchmarks/other_libraries.py
	$(BIN)/python docs/render.py

bench-parity: $(STAMP)
	$(BIN)/python benchmarks/parity.py
	$(BIN)/python docs/render.py

bench-busy: $(STAMP)
	$(BIN)/python benchmarks/busy.py
	$(BIN)/python docs/render.py

bench-load: $(STAMP)
	$(BIN)/python benchmarks/load.py
	$(BIN)/python docs/render.py

bench-faults: $(STAMP)
	$(BIN)/python benchmarks/faults.py
	$(BIN)/python docs/render.py

# The tables, then the site: build/site/index.html opens in a browser, from disk too.
docs: $(STAMP)
	$(BIN)/python docs/render.py
	rm -rf build/site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --builder html --doctree-dir build/doctrees docs build/site
	$(BIN)/python docs/check_site.py build/site

# What is uploaded is in dist, and what `utad[train,serve]` consists of in build/sbom.json.
release: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python benchmarks/bill_of_materials.py --output build/sbom.json

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
