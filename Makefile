# Five commands; each installs what it needs and can be repeated. See CONTRIBUTING.md.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test check soak bench bench-peers screenshots lock clean

setup:             ## the environment alone, in .venv
	@scripts/setup

run: setup         ## puyun on http://127.0.0.1:8000 with a demo organization and an embedded real model
	@scripts/setup local
	@$(BIN)/puyun serve

test: setup        ## lint, types, import law, every test, coverage
	@scripts/setup dev
	@scripts/test

check: setup       ## the fast half of `make test`: lint, types, import law, house rules
	@scripts/setup dev
	@scripts/check

soak: setup        ## kill -9 at random under load, 200 times; SOAK="--engine postgresql --kills 1000" for other runs
	@scripts/setup dev
	@PYTHONPATH=tests:. nice -n 10 $(BIN)/python -m soak $(SOAK)

bench: setup       ## direct, nginx and puyun side by side in one run
	@scripts/setup bench
	@$(BIN)/python -m bench

bench-peers: setup ## install LiteLLM proxy and Portkey in environments of their own, for `make bench`
	@scripts/bench-peers

screenshots: setup ## every page, both themes, both languages, phone and desk, into .cache/screenshots
	@scripts/setup dev
	@scripts/screenshots

lock: setup        ## renew requirements/*.txt from requirements/*.in
	@scripts/setup dev
	@scripts/lock

clean:             ## everything a command made, data directory aside
	rm -rf .venv .cache bench/build bench/peers .coverage* htmlcov .hypothesis .ruff_cache .pytest_cache .import_linter_cache
