# `make` shows what there is. Two commands do all the set-up: `make up` and `make test`.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TOOLS := $(or $(PLIMSOLL_TOOLS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/plimsoll/tools)
# A Node.js that scripts/setup installed comes before the system's.
export PATH := $(TOOLS)/node/bin:$(TOOLS)/bin:$(PATH)
TARGET := $(or $(CARGO_TARGET_DIR),target)
STACK ?= stacks/cv-evaluator.yaml
WEB := crates/console/web

.PHONY: help up down build console test setup setup-test fmt lint rust-test api-test page-test audit torture bench-gateway bench-scaling bench-control bench-queue bench-app large clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: setup build ## install what is missing, build, start the AI CV Evaluator, print where to look
	@$(TARGET)/release/plimsoll up --detach $(STACK)

down: ## stop what `make up` started: instances finish what they hold first
	@$(TARGET)/release/plimsoll down

build: console ## build the release binaries
	cargo build --release --locked -p plimsoll -p cv-evaluator

console: $(WEB)/dist/index.html ## build the page that is embedded in the binary

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(shell find $(WEB)/src $(WEB)/index.html $(WEB)/vite.config.ts -type f 2>/dev/null)
	cd $(WEB) && npm run --silent build

test: setup-test fmt lint rust-test api-test page-test audit ## everything that must hold: format, lint, unit, integration, end-to-end, page, audit
	@echo "make test: all of it passed"

setup:
	@scripts/setup up

setup-test:
	@scripts/setup test

fmt: ## check the format
	cargo fmt --all --check

lint: console ## clippy on everything, the page's types
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd $(WEB) && npm run --silent check

rust-test: console ## unit, integration and end-to-end tests
	scripts/counted cargo test --workspace --locked --no-fail-fast

api-test: ## schemathesis against the live application: the OpenAPI document is the truth; the vector store with Qdrant's engine
	scripts/schemathesis
	scripts/qdrant

page-test: console ## the page's unit tests, and the page in headless Chromium against a running stack
	cd $(WEB) && npm test --silent
	scripts/counted cargo test --workspace --locked --test e2e -- --ignored page

audit: ## licences, bans and sources of all dependencies; advisories when their database is at hand
	cargo fetch --locked --quiet
	cargo deny --offline --all-features check bans licenses sources
	@if [ -d "$${CARGO_HOME:-$$HOME/.cargo}/advisory-dbs" ]; then cargo deny --offline --all-features check advisories; \
	else echo "audit: no advisory database on this machine, advisories not checked. hint: cargo deny fetch"; fi

# SEED=n begins with that history (and, with HISTORIES=1, repeats it); ENGINE=sqlite or postgres for one of them.
torture: ## kill, pause and cut the queue's processes and databases at random: thousands of histories, each checked
	PLIMSOLL_TORTURE_HISTORIES=$(or $(HISTORIES),2000) PLIMSOLL_TORTURE_AT_ONCE=$(or $(AT_ONCE),4) PLIMSOLL_TORTURE_SEED=$(SEED) \
	cargo test --locked -p plimsoll-jobs --test crash -- --nocapture --test-threads=1 nothing_is_lost_and_nothing_finished_twice_on_$(ENGINE)

bench-gateway: ## our gateway and nginx in turn on the same cores: ratios
	bench/gateway/run

bench-scaling: ## scaling policies compared on real traces, with an oracle
	bench/scaling/run

bench-control: ## ten thousand targets decided once a second; from a signal to the scale call
	bench/control/run

bench-queue: ## the queue, its peers and bare SQL in turn on one server: ratios
	bench/queue/run

bench-app: ## the CV Evaluator alone and behind plimsoll, its load line, ten minutes of it: against its aims (20 minutes)
	bench/cv-evaluator/run

large: ## what pages, claims and sweeps of the CV Evaluator look at in tables of a million rows, on both databases
	PLIMSOLL_LARGE_ROWS=1000000 cargo test --locked -p cv-evaluator --test it --test postgres -- large::

clean: ## remove what was built
	cargo clean
	rm -rf $(WEB)/dist $(WEB)/node_modules
