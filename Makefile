# Songspy's commands; `make help` lists them. Go 1.26 is all they need.

MODULES := songspy-domain songspy-api songspy-batch songspy-sim
PACKAGES := $(MODULES:%=./%/...)
LINT := bin/tools/golangci-lint
VULN := bin/tools/govulncheck
CONTRACTLINT := bin/tools/contractlint
TESTFLAGS ?=
# Which release this is, as `version` prints it and images are labelled.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help up build images test test-days test-pg race lint fmt tidy generate verify bench-sweep bench-capture bench-board bench-small clean tools

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: build ## run everything here: board at http://127.0.0.1:8080/, simulated unless .env holds real credentials
	@exec bin/up

build: ## build the programs into bin/
	@mkdir -p bin
	@set -e; for program in songspy-api songspy-batch songspy-sim songspy-sim/up; do \
		echo "building $$program (the first time takes minutes)"; \
		CGO_ENABLED=0 go build -ldflags "-X main.version=$(VERSION) -X main.commit=$(COMMIT)" -o bin/ ./$$program; \
	done

images: ## build the images of docker-compose.yml, with their version and commit
	@VERSION="$(VERSION)" COMMIT="$(COMMIT)" docker compose build

# Never from the cache: some tests drive the built programs, whose sources go does not watch for them.
# The tests in WALLCLOCK measure by the wall clock, so they run after all others and next to none.
WALLCLOCK := ^TestReplicasCoverForEachOther$$
test: bin/throwaway chromium ## run every test, on SQLite and on a Postgres started for them; TESTFLAGS goes to go test
	@bin/throwaway -- go test -count=1 -timeout=20m -skip '$(WALLCLOCK)' $(TESTFLAGS) work
ifeq ($(filter -run%,$(TESTFLAGS)),)
	@bin/throwaway -- go test -count=1 $(TESTFLAGS) -run '$(WALLCLOCK)' ./songspy-batch
endif

.PHONY: chromium
chromium:
	@.ci/chromium

# The tests of the files that shorten something in short mode, or draw worlds, of which short mode draws a fifth:
# the race detector makes them several times as slow.
DAYS_FILES = $(shell git grep -lE 'testing\.Short\(\)|pgregory\.net/rapid"|\blong\(t\)' -- '*_test.go')
DAYS_TESTS = $(shell grep -hoE '^func Test[A-Za-z0-9_]+' $(DAYS_FILES) | sed 's/^func //' | sort -u | paste -sd '|' -)
test-days: bin/throwaway ## run whole what -short shortens, without the race detector
	@exec bin/throwaway -- go test -count=1 -timeout=20m -run '^($(DAYS_TESTS))$$' -skip '^TestMain$$|$(WALLCLOCK)' $(TESTFLAGS) $(sort $(addprefix ./,$(dir $(DAYS_FILES))))

test-pg: bin/throwaway ## run the store's contract alone; SONGSPY_TEST_POSTGRES_IMAGE=postgres:15 chooses a version
	@exec bin/throwaway -- go test -count=1 $(TESTFLAGS) ./songspy-domain/store/...

# SQLite is a machine translation from C, and slow under the race detector. Its library alone is left out:
# without more of modernc.org the detector reports races that are none.
race: override TESTFLAGS += -race -short -timeout=20m -gcflags=modernc.org/sqlite/lib=-race=false
race: test ## run every test under the race detector, days and laws in short

lint: $(LINT) ## check style and the walls between packages
	$(LINT) run $(PACKAGES)

fmt: $(LINT) ## format the code
	$(LINT) fmt $(PACKAGES)

tidy: ## bring go.mod, go.sum and go.work.sum up to date
	@set -e; for module in $(MODULES) .ci/tools; do (cd $$module && GOWORK=off go mod tidy); done
	go work sync

generate: ## write the generated files anew
	go generate $(PACKAGES)

verify: tools ## all that is checked besides the tests: format, lint, vet, the contract, tidiness, generated files, vulnerabilities
	@.ci/verify $(MODULES)

bench-sweep: bin/throwaway ## measure a sweep over 100,000 listeners against a bare HTTP loop; SWEEPFLAGS="-people 1000000"
	@exec bin/throwaway -- go run ./songspy-batch/bench $(SWEEPFLAGS)

bench-capture: ## measure how much of what 200 people hear in a week is seen; CAPTUREFLAGS=-population=restless
	@exec go run ./songspy-batch/bench/capture $(CAPTUREFLAGS)

bench-board: ## measure the board with 100,000 people against a bare handler; BOARDFLAGS="-people 1000000"
	@exec go run ./songspy-api/bench $(BOARDFLAGS)

bench-small: ## run every bench in a small size: it shows that they work and judges no bound
	@$(MAKE) --no-print-directory bench-board BOARDFLAGS='-bounds=false -people 500 -changes 50 -viewers 4 -rounds 1 -round 100ms'
	@$(MAKE) --no-print-directory bench-capture CAPTUREFLAGS='-bounds=false -people 2 -accounts 1 -days 1'
	@$(MAKE) --no-print-directory bench-capture CAPTUREFLAGS='-bounds=false -people 2 -days 1 -population awkward -only service'
	@$(MAKE) --no-print-directory bench-sweep SWEEPFLAGS='-bounds=false -people 200 -interval 10s -rounds 1 -within 10m'

clean: ## remove what was built; databases and keys in .songspy/ stay
	rm -rf bin

# The linters have a module of their own, so that they never weigh on the product's.
tools: $(LINT) $(CONTRACTLINT)
$(CONTRACTLINT): $(wildcard .ci/contractlint/*)
	@mkdir -p bin/tools
	@cd .ci/contractlint && GOWORK=off go build -o ../../bin/tools/ . && touch ../../$@
$(LINT): .ci/tools/go.mod .ci/tools/go.sum
	@echo "building the linters (the first time takes minutes)"
	@mkdir -p bin/tools
	@cd .ci/tools && GOWORK=off go build -o ../../bin/tools/ tool && touch ../../bin/tools/*

.PHONY: bin/throwaway
bin/throwaway:
	@mkdir -p bin
	@go build -o bin/ ./songspy-domain/store/storetest/throwaway
