# Everything a developer does, one target each; `make` alone lists them. What is downloaded or built
# on the way goes to .cache and bin, nowhere else; `make test` may install redis-server and gcc with apt.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X github.com/lycosa-crawl/lycosa/app.version=$(VERSION)
PKG     ?= ./...
FUZZTIME ?= 20s
SEED    ?= 1

# sudo resets PATH, so Go's usual place stands at its end.
export PATH := $(CURDIR)/.cache/bin:$(PATH):/usr/local/go/bin
# The version is stamped above. Go's own stamping fails where git distrusts the owner of the folder.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo build setup tools test vet race lint fmt bench bench-frontier bench-dedup bench-revisit chaos chaos-long micro cover fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## see it crawl; needs Go, nothing else
	@go run ./cmd/lycosa demo

build: ## bin/lycosa, static: any Linux machine of this kind runs it
	CGO_ENABLED=0 go build -trimpath -tags netgo -ldflags '$(LDFLAGS)' -o bin/lycosa ./cmd/lycosa

setup: ## install what the tests need: redis-server, FerretDB, documentation to crawl, linters
	scripts/setup.sh

tools: ## install the pinned linter and formatter to .cache/bin
	scripts/tools.sh

test: ## everything that must hold before a change is merged, from nothing: setup, lint, vet, race, build
	scripts/setup.sh
	LYCOSA_REQUIRE_SERVERS=1 $(MAKE) --no-print-directory lint vet race build

vet: ## go vet
	go vet ./...

race: ## the tests under the race detector; PKG=./dedup/... for some of them
	scripts/test.sh -race -timeout 20m $(PKG)

lint: ## golangci-lint: correctness, formatting, and who may import whom
	scripts/tools.sh
	golangci-lint run $(PKG)

fmt: ## format with gofumpt
	scripts/tools.sh
	gofumpt -w .

bench: ## crawl a site beside a bare loop: CPU time and pages/s, embedded and through Redis
	go run ./bench/crawl

bench-frontier: ## the frontiers beside plain ZADD, scrapy-redis' way and asynq: rates, Redis CPU and memory, with targets
	go run ./bench/frontier

bench-dedup: ## the filters beside a plain set: bytes, Redis CPU, errors and rates in process, with targets
	go run ./bench/dedup

bench-revisit: ## the revisit policy in simulated worlds and on real histories, beside an oracle; fails below its gates
	go run ./bench/revisit

chaos: build ## kill workers, Redis and the item store for a minute, and check that nothing was lost; SEED=7 for other faults
	bin/lycosa chaos --seed $(SEED) --pages 500 --kill-every 2s --max-refetched 20

chaos-long: build ## the same for half an hour: 24 workers, 50,000 pages a round, a fault every three seconds
	bin/lycosa chaos --seed $(SEED) --duration 30m --workers 24 --pages 50000 --hosts 100 --kill-every 3s

micro: ## the benchmarks of the packages; PKG=./dedup/... for some of them
	go test -run '^$$' -bench . -benchmem $(PKG)

cover: ## the tests with coverage, each package counted by whichever test reaches it
	mkdir -p .cache
	go test -coverpkg=./... -coverprofile=.cache/cover.out $(PKG)
	go tool cover -func=.cache/cover.out | tail -n 1
	@echo 'line by line: go tool cover -html=.cache/cover.out'

fuzz: ## every fuzz target for FUZZTIME (20s) each
	scripts/fuzz.sh $(FUZZTIME)

clean: ## remove what was built; keeps the downloads in .cache
	rm -rf bin .cache/cover.out .cache/test.json
