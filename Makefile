# The two commands: `make run` opens the dashboard, `make test` passes the whole suite.
# TORCH=auto|cpu|cuda|rocm|PATH chooses the torch build; PYTHON=… the interpreter (3.11 or newer).
TORCH ?= auto
PYTHON ?=
ARGS ?=

export TORCH PYTHON
BIN := .venv/bin

.PHONY: run test check unit snapshots curves faults gpu env dev clean

run: env
	@exec env $$(cat .venv/worker-environment 2>/dev/null) $(BIN)/moai-tui $(ARGS)

env:
	@sh .ci/environment run

dev:
	@sh .ci/environment dev

# One thread a process and two processes: the tests train small models, in which threads only wait.
test: dev check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not (gpu or faults)" -n 2 --dist worksteal $(ARGS)

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python benchmarks/start_up.py

unit: dev
	$(BIN)/python -m pytest -q -m "not (gpu or faults or integration or curves or snapshot)" $(ARGS)

snapshots: dev
	$(BIN)/python -m pytest -q -m snapshot --snapshot-update $(ARGS)

curves: dev
	$(BIN)/python -m pytest -q -m curves $(ARGS)

# Kills, full disks, flipped bits, hang-ups, hostile text: about 15 minutes on two cores.
faults: dev
	rm -f build/faults.jsonl && mkdir -p build
	FAULTS_REPORT=$(CURDIR)/build/faults.jsonl $(BIN)/python -m pytest -q tests/faults $(ARGS)
	$(BIN)/python tests/faults/report.py build/faults.jsonl

gpu:
	python3 -m pytest -q -m gpu tests/gpu $(ARGS)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
