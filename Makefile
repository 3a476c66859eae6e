# Umbel. "make" alone prints what there is.

GO         ?= go
PKG        ?= ./...
TAGS       := grpcnotrace
FUZZTIME   ?= 30s
SUDO       := $(if $(filter 0,$(shell id -u)),,sudo)
TALLY      := $(GO) -C tools run ./tally
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck

# Debian's packages of what tests start.
SERVICES := rabbitmq-server redis-server postgresql python3-celery python3-redis python3-msgpack python3-brotli python3-zstandard python3-yaml python3-ephem openssl chromium prometheus
export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help
help: ## print this
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: build
build: ## build every package, and the binary into bin/
	$(GO) build -tags $(TAGS) ./...
	$(if $(wildcard cmd/umbel),$(GO) build -tags $(TAGS) -trimpath -ldflags '-s -w' -o bin/ ./cmd/umbel)

.PHONY: demo
demo: ## run the example shop on the embedded broker: orders, a report, live progress
	@$(GO) run -tags $(TAGS) ./examples/shop demo

.PHONY: shop
shop: ## run the example shop in ./shop-data: pages at http://127.0.0.1:8080/, workers and beat in one process
	@mkdir -p bin shop-data && $(GO) build -tags $(TAGS) -o bin/shop ./examples/shop
	@cd shop-data && { [ -e shop.db ] || ../bin/shop seed --past 30000; } && exec ../bin/shop serve

.PHONY: fast
fast: ## test what needs no server: seconds, not minutes
	@$(GO) test -json -short -timeout 5m $$(.ci/offline) | $(TALLY)

.PHONY: test
test: ## test everything; servers that are missing are skipped aloud (with CI=true they fail)
	@$(GO) test -json -timeout 15m $(PKG) | $(TALLY)

.PHONY: race
race: ## test everything under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(GO) test -json -race -timeout 30m $(PKG) | $(TALLY)

.PHONY: arch
arch: ## test the shape of the house: who may import whom
	@$(GO) test ./internal/arch

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet -tags $(TAGS) ./...
	$(GO) -C tools vet ./tally ./release
	$(GO) -C tools test ./tally
	$(GO) -C test/deploy vet ./...
	$(GO) -C test/bench build -o /dev/null .
	$(STATICCHECK) -tags $(TAGS) ./...

.PHONY: generate
generate: ## write generated files anew
	$(GO) generate ./internal/setting ./cli

.PHONY: platforms
platforms: ## read what umbel render writes and deploy/ holds by the parsers and schemas of the platforms
	@$(GO) -C test/deploy test -json -timeout 10m ./... | $(TALLY)

.PHONY: release
release: ## build what is released into dist/: every platform, bills of materials, sums; VERSION=v1.2.3 or git's
	$(GO) -C tools run ./release -source .. -out ../dist $(if $(VERSION),-version $(VERSION))

.PHONY: verify
verify: ## fail when a generated file or a checksum is stale
	@fresh=$$(mktemp); trap 'rm -f $$fresh' EXIT; \
	$(GO) run ./internal/setting/gen $$fresh; \
	if ! diff -u docs/settings.md $$fresh; then echo "docs/settings.md is stale: make generate"; exit 1; fi; \
	$(GO) run -tags $(TAGS) ./cli/gen $$fresh; \
	if ! diff -u docs/cli.md $$fresh; then echo "docs/cli.md is stale: make generate"; exit 1; fi
	$(GO) mod verify

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 30s) each
	@set -e; for pkg in $$(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -c6- | sort -u); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$$pkg; \
		done; \
	done

.PHONY: bench
bench: ## measure beside Celery and others, twenty minutes; writes docs/performance.md
	$(GO) -C test/bench run . -o ../../docs/performance.md

MINUTES ?= 10
.PHONY: soak
soak: ## let faults strike for MINUTES (default 10); SEED=n repeats a plan; the last line is the verdict
	$(GO) test -c -o bin/soak.test ./test/soak
	cd test/soak && ../../bin/soak.test -test.v -test.run TestFaults -test.timeout 0 -minutes $(MINUTES) -seed $(or $(SEED),0)

.PHONY: screenshots
screenshots: ## write the pictures of the monitor and the shop into docs/images (needs Chromium)
	UMBEL_SCREENSHOTS=$(CURDIR)/docs/images $(GO) test -count 1 -run 'TestPages|TestActionsInTheBrowser|TestALoginAtAProviderInTheBrowser' ./monitor
	UMBEL_SCREENSHOTS=$(CURDIR)/docs/images $(GO) test -count 1 -run TestTheShopInABrowser ./examples/shop/web

.PHONY: services
services: ## install the servers that tests start (Debian)
	@missing=""; for p in $(SERVICES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
