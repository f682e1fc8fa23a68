# The two commands are `make demo` and `make test`. Works with GNU make 3.81 and a plain /bin/sh.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
# Each test process starts its own homeservers and PostgreSQL: more than four help nobody.
WORKERS = auto
ARGS =

PIP = $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test lint format bench soak lock clean
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

demo: $(VENV)/.with-demo ## the whole city hall on this machine; ARGS=--fresh starts over, ARGS=--tour shows you around
	@exec $(BIN)/oshiyakusho-matrix demo $(ARGS)

test: $(VENV)/.with-test ## all tests; ARGS="tests/store -k queue" runs some
	@exec $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(VENV)/.with-lint ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.with-lint ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.with-test ## the measurements, one after the other
	@exec $(BIN)/python -m pytest -m bench -s --timeout 3600 $(ARGS)

soak: $(VENV)/.with-test ## the tests that take many minutes
	@exec $(BIN)/python -m pytest -m soak -s --timeout 0 $(ARGS)

lock: ## take the newest versions that fit into constraints.txt
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -e '.[lint]'
	{ echo '# Written by `make lock`: the versions that CI, `make demo` and `make test` install.'; \
	  .venv-lock/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	rm -rf .venv-lock

clean: ## remove what was installed and cached; the demo's data in .demo stay
	rm -rf $(VENV) .venv-lock build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find oshiyakusho_matrix tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each set of extras: a second run installs nothing, a changed file installs anew.
$(VENV)/.with-demo $(VENV)/.with-test $(VENV)/.with-lint: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[$(patsubst $(VENV)/.with-%,%,$@)]'
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo 'Python lacks venv: on Debian or Ubuntu, apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
