# Songspy's commands; `make help` lists them. Most of them need only Go 1.26.

MODULES := songspy-domain songspy-api songspy-batch songspy-sim
PACKAGES := $(MODULES:%=./%/...)
LINT := bin/tools/golangci-lint
VULN := bin/tools/govulncheck
CONTRACTLINT := bin/tools/contractlint
PLAINWORDS := bin/tools/plainwords
TESTFLAGS ?=
# VERSION and COMMIT identify the release: the command `version` prints them, and they are
# labels of the images.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help up build images test test-days test-pg test-programs test-browser test-page pictures race lint fmt tidy generate verify bench-polls bench-capture bench-board bench-stream bench-small release clean tools

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: build ## run all services; board at http://127.0.0.1:8080/, simulated unless .env has credentials
	@exec bin/up

build: ## build the programs into bin/
	@mkdir -p bin
	@set -e; for program in songspy-api songspy-batch songspy-sim songspy-sim/up; do \
		echo "building $$program (the first time takes minutes)"; \
		CGO_ENABLED=0 go build -ldflags "-X main.version=$(VERSION) -X main.commit=$(COMMIT)" -o bin/ ./$$program; \
	done

images: ## build the images of docker-compose.yml, labelled with version and commit
	@VERSION="$(VERSION)" COMMIT="$(COMMIT)" docker compose build

# The tests in WALLCLOCK measure wall-clock time, so they run alone, after all others.
WALLCLOCK := ^(TestReplicasCoverForEachOther|TestReplicas_HideAUserWithinASecond|TestReplicas_RefuseEndedSessionsAndBlockedUsersWithinASecond|TestReplicas_StreamsEndWhatTheyShowWithinASecond|TestPage_AStrangerLosesAHiddenUserWithinASecond)$$
WALLCLOCK_PACKAGES = ./songspy-batch ./songspy-api ./songspy-api/journey
# The tests of this package run in a browser and take most of their time there. The race detector sees only the server
# that they start, so `make race` skips them.
RUN_BROWSER := songspy-api/internal/web
# The tests of these packages run the built programs, whose sources Go's test cache does not
# track. So `make test-programs` runs them without the cache, and `make race` skips them.
RUN_PROGRAMS := songspy-api/journey songspy-sim/up
# CI sets COUNT to the empty string. Then results of packages that did not change come from Go's
# test cache.
COUNT ?= -count=1
TESTED = work
test: bin/throwaway chromium npm ## run all tests on SQLite and on a temporary Postgres; TESTFLAGS is for go test
	@bin/throwaway -- go test $(COUNT) -timeout=20m -skip '$(WALLCLOCK)' $(TESTFLAGS) $(TESTED)
ifeq ($(filter -run%,$(TESTFLAGS)),)
	@bin/throwaway -- go test -count=1 $(TESTFLAGS) -p=1 -run '$(WALLCLOCK)' $(WALLCLOCK_PACKAGES)
endif

test-programs: bin/throwaway ## run the tests that run the built programs
	@bin/throwaway -- go test -count=1 -vet=off -skip '$(WALLCLOCK)' $(TESTFLAGS) $(addprefix ./,$(RUN_PROGRAMS))

test-browser: chromium npm ## run the tests of the page in Chromium
	@go test $(COUNT) -timeout=20m -vet=off $(TESTFLAGS) $(addprefix ./,$(RUN_BROWSER))

# The packages run one after another (-p=1), so that the tests that measure the page's speed
# have the machine to themselves.
test-page: bin/throwaway chromium firefox npm fonts ## run all tests of the page in Chromium and Firefox, with every journey, state, theme and width; pictures go to artefacts/
	@SONGSPY_TEST_CHROMIUM=$${SONGSPY_TEST_CHROMIUM:-chromium} SONGSPY_TEST_PAGE=all SONGSPY_ARTEFACTS=$(CURDIR)/artefacts exec bin/throwaway -- go test -count=1 -vet=off -p=1 -timeout=30m $(TESTFLAGS) ./songspy-api/internal/web ./songspy-api/journey

pictures: chromium fonts ## write the pictures of the README
	@SONGSPY_PICTURES=$(CURDIR)/docs exec go test -count=1 -vet=off -run '^TestPictures_' ./songspy-api/internal/web

.PHONY: chromium firefox npm fonts
chromium:
	@.ci/browser chromium
firefox:
	@.ci/browser firefox-esr
npm:
	@.ci/browser npm
fonts:
	@.ci/browser fonts-noto-cjk

# DAYS_FILES are the test files that shorten something in short mode, or that use rapid, which
# draws a fifth of its random cases in short mode. DAYS_TESTS are all tests in these files. The
# race detector makes them several times as slow. So `make race` runs them in short mode, and
# test-days runs them in full without the race detector.
DAYS_FILES = $(shell git grep -lE 'testing\.Short\(\)|pgregory\.net/rapid"|\b(long|wholeOrShort)\(.*\)' -- '*_test.go')
DAYS_TESTS = $(shell grep -hoE '^func Test[A-Za-z0-9_]+' $(DAYS_FILES) | sed 's/^func //' | sort -u | paste -sd '|' -)
test-days: bin/throwaway ## run the tests that -short shortens in full, without the race detector
	@exec bin/throwaway -- go test $(COUNT) -timeout=20m -vet=off -run '^($(DAYS_TESTS))$$' -skip '^TestMain$$|$(WALLCLOCK)' $(TESTFLAGS) $(sort $(addprefix ./,$(dir $(DAYS_FILES))))

test-pg: bin/throwaway ## run the store's tests only; SONGSPY_TEST_POSTGRES_IMAGE=postgres:15 chooses the version
	@exec bin/throwaway -- go test -count=1 $(TESTFLAGS) ./songspy-domain/store/...

# The SQLite library is translated from C and is slow under the race detector, so -race=false
# excludes it. Only modernc.org/sqlite/lib is excluded: if more of modernc.org were excluded,
# the detector would report false races. -p 4 runs four packages at the same time, even on fewer
# processors, because some packages wait more than they work. -vet=off, because `make verify`
# vets.
race: override TESTFLAGS += -race -short -timeout=20m -gcflags=modernc.org/sqlite/lib=-race=false -p 4 -vet=off
race: WALLCLOCK_PACKAGES = ./songspy-batch ./songspy-api
race: TESTED = $(filter-out $(addprefix %/,$(RUN_PROGRAMS) $(RUN_BROWSER)),$(shell go list work))
race: test ## run the tests under the race detector, with -short, without those that run programs or a browser

lint: $(LINT) ## check the style and the imports of packages
	$(LINT) run $(PACKAGES)

fmt: $(LINT) ## format the code
	$(LINT) fmt $(PACKAGES)

tidy: ## bring go.mod, go.sum and go.work.sum up to date
	@set -e; for module in $(MODULES) .ci/tools .ci/contractlint; do (cd $$module && GOWORK=off go mod tidy); done
	go work sync

generate: ## write the generated files
	go generate $(PACKAGES)

verify: tools ## check format, lint, vet, contract, tidiness, generated files and vulnerabilities
	@.ci/verify $(MODULES)

bench-polls: bin/throwaway ## compare polls of 100,000 users with a bare HTTP loop; POLLFLAGS="-people 1000000"
	@exec bin/throwaway -- go run ./songspy-batch/bench $(POLLFLAGS)

bench-capture: ## measure how many plays of 200 simulated people in a week are recorded; CAPTUREFLAGS=-population=restless
	@exec go run ./songspy-batch/bench/capture $(CAPTUREFLAGS)

bench-board: ## compare the board with 100,000 users with a bare handler; BOARDFLAGS="-users 1000000"
	@exec go run ./songspy-api/bench $(BOARDFLAGS)

bench-stream: ## compare streams with a bare loop, and measure many listeners and a restart; STREAMFLAGS="-streams 1000"
	@exec go run ./songspy-api/bench/stream $(STREAMFLAGS)

bench-small: ## run every bench in a small size, without checking bounds
	@$(MAKE) --no-print-directory bench-board BOARDFLAGS='-bounds=false -users 500 -changes 50 -viewers 4 -rounds 1 -round 100ms'
	@$(MAKE) --no-print-directory bench-stream STREAMFLAGS='-bounds=false -streams 20 -listeners 500 -length 1s -rounds 1 -rows ab'
	@$(MAKE) --no-print-directory bench-capture CAPTUREFLAGS='-bounds=false -people 2 -accounts 1 -days 1'
	@$(MAKE) --no-print-directory bench-capture CAPTUREFLAGS='-bounds=false -people 2 -days 1 -population awkward -only service'
	@$(MAKE) --no-print-directory bench-polls POLLFLAGS='-bounds=false -people 200 -interval 10s -rounds 1 -within 10m'

release: ## create the annotated tag of VERSION=0.1.0, with its section of CHANGELOG.md as the message
	@.ci/release "$(VERSION)"

clean: ## remove the built files; keep databases and keys in .songspy/
	rm -rf bin

# The linters are built in modules of their own, so that the product's modules do not depend on
# the modules that the linters require.
tools: $(LINT) $(CONTRACTLINT) $(PLAINWORDS)
$(CONTRACTLINT): $(wildcard .ci/contractlint/*)
	@mkdir -p bin/tools
	@cd .ci/contractlint && GOWORK=off go build -o ../../bin/tools/ . && touch ../../$@
$(PLAINWORDS): .ci/tools/go.mod $(wildcard .ci/tools/plainwords/*)
	@mkdir -p bin/tools
	@cd .ci/tools && GOWORK=off go build -o ../../bin/tools/ ./plainwords && touch ../../$@
$(LINT): .ci/tools/go.mod .ci/tools/go.sum
	@echo "building the linters (the first time takes minutes)"
	@mkdir -p bin/tools
	@cd .ci/tools && GOWORK=off go build -o ../../bin/tools/ tool && touch ../../bin/tools/*

.PHONY: bin/throwaway
bin/throwaway:
	@mkdir -p bin
	@go build -o bin/ ./songspy-domain/store/storetest/throwaway
